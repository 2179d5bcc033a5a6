//! What clients see when a primary is gone.

use slotmesh::testing::TestCluster;

#[test]
fn reads_survive_the_loss_of_a_primary() {
    let mut t = TestCluster::new(3, 1);
    let mut c = t.client();
    assert_eq!(c.call(["SET", "k", "v"]), "OK");
    t.settle();

    t.kill(t.owner_of("k"));
    t.run_until(|t| t.is_healthy());

    assert_eq!(c.call(["GET", "k"]), "v");
}
