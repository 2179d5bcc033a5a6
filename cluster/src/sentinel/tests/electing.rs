use super::fixture::{Fixture, MY_ID, OTHER_ID, THIRD_ID, opinion};
use crate::sentinel::address::Address;

fn primary() -> Address {
    Address::parse("10.0.0.1", 6379, false).unwrap()
}

#[test]
fn one_vote_is_given_in_each_epoch() {
    let mut f = Fixture::group(2);

    let first = f.sentinel.opinion(f.now, &primary(), 5, Some(OTHER_ID));
    let second = f.sentinel.opinion(f.now, &primary(), 5, Some(THIRD_ID));
    let older = f.sentinel.opinion(f.now, &primary(), 4, Some(THIRD_ID));
    let newer = f.sentinel.opinion(f.now, &primary(), 6, Some(THIRD_ID));

    let vote = |opinion: &crate::sentinel::Opinion| (opinion.leader.clone().unwrap(), opinion.leader_epoch);
    assert_eq!(vote(&first), (OTHER_ID.to_owned(), 5));
    assert_eq!(vote(&second), (OTHER_ID.to_owned(), 5));
    assert_eq!(vote(&older), (OTHER_ID.to_owned(), 5));
    assert_eq!(vote(&newer), (THIRD_ID.to_owned(), 6));
    assert_eq!(f.sentinel.config().primaries[0].leader_epoch, 6);
}

#[test]
fn a_question_without_candidate_gets_no_vote() {
    let mut f = Fixture::group(2);

    let asked = f.sentinel.opinion(f.now, &primary(), 5, None);
    assert_eq!((asked.is_down, asked.leader, asked.leader_epoch), (false, None, 0));
    assert_eq!(f.sentinel.current_epoch(), 0);
    let elsewhere = Address::parse("10.0.0.7", 6379, false).unwrap();
    assert_eq!(f.sentinel.opinion(f.now, &elsewhere, 5, Some(OTHER_ID)).leader, None);
}

#[test]
fn a_vote_is_not_durable_before_the_disk_says_so() {
    let mut f = Fixture::group(2);
    f.disk_works = false;

    f.sentinel.opinion(f.now, &primary(), 5, Some(OTHER_ID));
    assert!(!f.sentinel.is_durable());
    f.advance(5_000);
    assert!(!f.sent.iter().any(|(_, request)| request.starts_with("PUBLISH")), "{:?}", f.sent);
    f.save();
    f.advance(100);
    assert!(f.sentinel.is_durable());
    assert!(f.sent.iter().any(|(_, request)| request.starts_with("PUBLISH")));
}

#[test]
fn no_votes_are_asked_for_before_the_epoch_is_on_disk() {
    let mut f = Fixture::group(2);
    f.opinions.insert(26_380, opinion(1, "*", 0));
    f.kill(6379);
    f.advance(1_000);
    f.disk_works = false;
    f.advance(3_000);
    assert!(f.has_event("+try-failover"), "{:?}", f.events);
    let asks_for_me = |(_, request): &(u16, String)| request.ends_with(MY_ID);
    assert!(!f.sent.iter().any(asks_for_me));

    f.save();
    f.advance(20);

    assert_eq!(f.sent.iter().filter(|sent| asks_for_me(sent)).count(), 2);
}

#[test]
fn without_a_majority_nobody_leads() {
    let mut f = Fixture::group(1);
    f.opinions.clear();
    f.kill(6379);

    f.advance(15_000);

    assert!(f.has_event("+odown") && f.has_event("+try-failover"), "{:?}", f.events);
    assert!(f.has_event("-failover-abort-not-elected") && !f.has_event("+elected-leader"), "{:?}", f.events);
}

#[test]
fn the_next_try_waits_twice_the_failover_timeout() {
    let mut f = Fixture::group(1);
    f.opinions.clear();
    f.kill(6379);
    f.advance(18_000);
    let tries = |f: &Fixture| f.event_names().iter().filter(|name| **name == "+try-failover").count();
    assert_eq!(tries(&f), 1, "{:?}", f.events);
    assert!(f.logs.iter().any(|line| line.starts_with("Next failover delay: I will not start a failover before ")));

    f.advance(6_000);

    assert_eq!(tries(&f), 2, "{:?}", f.events);
}

#[test]
fn votes_of_another_epoch_do_not_count() {
    let mut f = Fixture::group(2);
    f.opinions.insert(26_380, opinion(1, MY_ID, 99));
    f.opinions.insert(26_381, opinion(1, MY_ID, 99));
    f.kill(6379);

    f.advance(12_000);

    assert!(f.has_event("+try-failover") && !f.has_event("+elected-leader"), "{:?}", f.events);
}
