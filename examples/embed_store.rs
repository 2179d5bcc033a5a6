//! A store inside a program: no server to install, no socket, no file.
//!
//! `cargo run --example embed_store`

use std::thread;

use slotmesh::{Error, Server};

fn main() -> Result<(), Error> {
    let store = Server::memory();

    // Clients run on the threads that call them.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = store.client();
                for _ in 0..1000 {
                    client.call::<i64>(("INCR", "visits")).expect("the store runs in this process");
                }
            });
        }
    });

    let mut client = store.client();
    let visits: i64 = client.call(("INCRBY", "visits", 5))?;
    assert_eq!(visits, 4005);

    // Replies become the types they are asked for.
    client.call::<()>(("MSET", "ada", 1815, "grace", 1906))?;
    let born: Vec<Option<u16>> = client.call(["MGET", "ada", "grace", "nobody"])?;
    assert_eq!(born, [Some(1815), Some(1906), None]);

    // Messages reach whoever listens, in any thread.
    let mut news = client.subscribe(["news"])?;
    client.call::<i64>(("PUBLISH", "news", "hello"))?;
    let message = news.next().expect("the connection is open")?;
    assert_eq!(message.payload, b"hello");

    report(visits, &born);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
fn report(visits: i64, born: &[Option<u16>]) {
    println!("{visits} visits, born {born:?}");
}
