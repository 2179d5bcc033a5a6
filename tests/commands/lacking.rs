//! What each form of ours lacks, as the features that cases are marked with, and why.

/// The features one form of ours lacks, each with the reason.
pub(crate) struct Lacking(&'static [&'static [(&'static str, &'static str)]]);

impl Lacking {
    pub(crate) fn lacks(&self, feature: &str) -> bool {
        self.names().contains(&feature)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().copied().flatten().map(|(feature, _)| *feature).collect()
    }
}

/// What `slotmesh-server` lacks.
pub(crate) const SERVER: Lacking = Lacking(&[NOT_YET]);

/// What an `Engine` lacks that nothing stands around.
pub(crate) const BARE_ENGINE: Lacking = Lacking(&[
    NOT_YET,
    &[
        ("node", "commands on the server and on connections are the node's, which is not there"),
        ("debug", "DEBUG is a command of the node"),
        ("persistence", "an engine knows no file"),
        ("sentinel", "it watches nobody: a sentinel is a node of its own kind"),
        ("wire", "it is given requests, not bytes"),
    ],
]);

/// What a node of a cluster lacks.
pub(crate) const CLUSTER: Lacking = Lacking(&[
    NOT_YET,
    &[
        ("alone", "it is in cluster mode and has a replica, which shows in HELLO, ROLE, WAIT, CONFIG and INFO"),
        ("bare-keys", "keys that no command names get no hash tag: DEBUG POPULATE's, and words that are read as keys"),
        ("databases", "a node of a cluster has database 0 only, as in Redis 7.0"),
        ("sentinel", "it watches nobody: a sentinel is a node of its own kind"),
        ("machine", "commands take no time there, and its clients have invented addresses and an invented calendar"),
    ],
]);

/// What no form has yet; shrinks as families arrive.
const NOT_YET: &[(&str, &str)] = &[("script", "EVAL is not there yet")];
