//! Documentation of the pub/sub commands.

use super::{Argument, Doc, Kind, argument, block, doc, string};

const CHANNEL: Argument = string("channel");
const SHARD_CHANNEL: Argument = string("shardchannel");
const MESSAGE: Argument = string("message");
const PATTERN: Argument = argument("pattern", Kind::Pattern);
const FOR_EACH_CHANNEL: &str = "O(N) where N is the number of channels";

pub(super) const DOCS: &[Doc] = &[
    doc("psubscribe", "2.0.0", "Listens to all channels that match a pattern.")
        .costs("O(N) where N is the number of patterns")
        .takes(&[block("pattern", &[PATTERN]).multiple()]),
    doc("publish", "2.0.0", "Sends a message to a channel.")
        .costs("O(N+M) where N is the number of listeners and M the number of patterns anyone subscribed to")
        .takes(&[CHANNEL, MESSAGE]),
    doc("pubsub", "2.8.0", "Groups commands that look into pub/sub.").costs("Depends on the subcommand."),
    doc("pubsub|channels", "2.8.0", "Returns the channels that have listeners.")
        .costs(FOR_EACH_CHANNEL)
        .takes(&[PATTERN.optional()]),
    doc("pubsub|help", "6.2.0", "Returns help on the subcommands."),
    doc("pubsub|numpat", "2.8.0", "Returns how many patterns are subscribed to."),
    doc("pubsub|numsub", "2.8.0", "Returns how many clients listen to each of the channels.")
        .costs(FOR_EACH_CHANNEL)
        .takes(&[CHANNEL.optional().multiple()]),
    doc("pubsub|shardchannels", "7.0.0", "Returns the shard channels that have listeners.")
        .costs(FOR_EACH_CHANNEL)
        .takes(&[PATTERN.optional()]),
    doc("pubsub|shardnumsub", "7.0.0", "Returns how many clients listen to each of the shard channels.")
        .costs(FOR_EACH_CHANNEL)
        .takes(&[SHARD_CHANNEL.optional().multiple()]),
    doc("punsubscribe", "2.0.0", "Stops listening to patterns, or to all of them.")
        .costs("O(N) where N is the number of patterns")
        .takes(&[PATTERN.optional().multiple()]),
    doc("spublish", "7.0.0", "Sends a message to a shard channel.")
        .costs("O(N) where N is the number of listeners")
        .takes(&[SHARD_CHANNEL, MESSAGE]),
    doc("ssubscribe", "7.0.0", "Listens to shard channels.").costs(FOR_EACH_CHANNEL).takes(&[SHARD_CHANNEL.multiple()]),
    doc("subscribe", "2.0.0", "Listens to channels.").costs(FOR_EACH_CHANNEL).takes(&[CHANNEL.multiple()]),
    doc("sunsubscribe", "7.0.0", "Stops listening to shard channels, or to all of them.")
        .costs(FOR_EACH_CHANNEL)
        .takes(&[SHARD_CHANNEL.optional().multiple()]),
    doc("unsubscribe", "2.0.0", "Stops listening to channels, or to all of them.")
        .costs(FOR_EACH_CHANNEL)
        .takes(&[CHANNEL.optional().multiple()]),
];
