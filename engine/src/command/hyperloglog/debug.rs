//! PFDEBUG and PFSELFTEST: how a HyperLogLog is written, and whether they work at all.

use super::{CORRUPTED, change, edit};
use crate::command::Ctx;
use crate::error::ReplyError;
use crate::resp::args::Args;
use crate::value::hyperloglog::{self as hll, Corrupted, Form, Registers, Run};

/// What PFDEBUG is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Decode,
    Encoding,
    Registers,
    ToDense,
}

/// What it says.
enum Answer {
    Runs(String),
    Form(Form),
    Registers(Registers),
    Dense { is_new: bool },
    NotSparse,
}

pub(super) fn pfdebug(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
    let questions = [
        ("DECODE", Question::Decode),
        ("ENCODING", Question::Encoding),
        ("GETREG", Question::Registers),
        ("TODENSE", Question::ToDense),
    ];
    let question = questions.into_iter().find(|(word, _)| args.is(1, word)).map(|(_, question)| question);
    let key = &args[2];
    let found = edit(ctx, key, |entry, form| {
        change(entry, |image| {
            let answer = question.map(|question| answer(question, form, image)).transpose()?;
            if matches!(question, Some(Question::Registers | Question::ToDense)) && form == Form::Sparse {
                *image = hll::to_dense(image)?.into();
            }
            Ok((answer, form))
        })
    })?;
    let (answer, form) = found.ok_or(ReplyError::Fixed("ERR The specified key does not exist"))?;
    let answer = answer.ok_or_else(|| ReplyError::naming("ERR Unknown PFDEBUG subcommand '", &args[1], "'"))?;
    if matches!(answer, Answer::Registers(_) | Answer::Dense { .. }) && form == Form::Sparse {
        ctx.count_changes(1);
    }
    match answer {
        Answer::Runs(text) => ctx.reply.bulk(text.as_bytes()),
        Answer::Form(Form::Dense) => ctx.reply.simple("dense"),
        Answer::Form(Form::Sparse) => ctx.reply.simple("sparse"),
        Answer::Registers(registers) => {
            ctx.reply.array(hll::REGISTERS);
            registers.values().iter().for_each(|&value| ctx.reply.int(i64::from(value)));
        }
        Answer::Dense { is_new } => ctx.reply.int(i64::from(is_new)),
        Answer::NotSparse => return Err(ReplyError::Fixed("ERR HLL encoding is not sparse")),
    }
    Ok(())
}

fn answer(question: Question, form: Form, image: &[u8]) -> Result<Answer, Corrupted> {
    Ok(match (question, form) {
        (Question::Decode, Form::Dense) => Answer::NotSparse,
        (Question::Decode, Form::Sparse) => {
            let runs: Vec<String> = hll::runs(image).map(shown).collect();
            Answer::Runs(runs.join(" "))
        }
        (Question::Encoding, form) => Answer::Form(form),
        (Question::Registers, _) => Answer::Registers(hll::registers(image)?),
        (Question::ToDense, form) => Answer::Dense { is_new: form == Form::Sparse },
    })
}

fn shown(run: Run) -> String {
    match run {
        Run::Zeros(len) => format!("z:{len}"),
        Run::ManyZeros(len) => format!("Z:{len}"),
        Run::Values { value, len } => format!("v:{value},{len}"),
    }
}

pub(super) fn pfselftest(ctx: &mut Ctx<'_>, _: Args<'_>) -> Result<(), ReplyError> {
    use hll::Fault;
    match hll::selftest() {
        Ok(()) => {
            ctx.reply.ok();
            Ok(())
        }
        Err(Fault::Estimate { elements, estimated }) => {
            Err(ReplyError::text(format!("TESTFAILED {elements} elements were estimated to be {estimated}")))
        }
        Err(Fault::Register { index }) => {
            Err(ReplyError::text(format!("TESTFAILED Register {index} has another value than was put there")))
        }
        Err(Fault::Runs) => Err(CORRUPTED),
    }
}
