//! `follow`: the bytes of one stream, or of all, put together from all points.

pub mod collect;
mod list;
mod save;
pub mod select;
pub mod spool;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;

use anyhow::{Result, bail};
use mirrorscope_capture::writer::OutputFile;
use mirrorscope_engine::finding::protocol_name;
use mirrorscope_engine::point::PointId;
use mirrorscope_engine::stream::{Gap, MirrorLosses, Overlap, Policy};

use super::choice::{Choice, Opened};
use super::{Outcome, refuse_own_input, tell};
use crate::cli::{self, FollowArgs, FollowFormat, Gaps};
use crate::output::csv;
use crate::output::follow::{Conversation, Item, Replay, WAYS, ascii, because, end, hex, yaml};
use crate::output::{self, Screen};
use crate::pipeline::Plan;
use collect::{Collected, Collector, Store};
use spool::Spools;

/// Flows that are listed where one must be chosen.
const LISTED: usize = 20;

/// Runs the command.
pub fn run(args: &FollowArgs) -> Result<Outcome> {
    super::analysis::refuse_interval(&args.analysis, "streams are shown at the end")?;
    if let Some(folder) = &args.save_all {
        return save_all(args, folder);
    }
    if args.list {
        return list_all(args);
    }
    if args.flow.is_none() && args.analysis.filter.is_none() {
        bail!(
            "--flow tells which flow is meant, --filter which flows; --list lists all of them, and --save-all DIR writes \
             them; see mirrorscope follow --help"
        );
    }
    show(args)
}

fn policy(args: &FollowArgs) -> Policy {
    let memory = args.stream_memory;
    let policy = Policy::within(memory);
    Policy {
        overlap: match args.overlap {
            cli::Overlap::First => Overlap::First,
            cli::Overlap::Last => Overlap::Last,
        },
        limit: args.stream_limit.map(|limit| limit as u64),
        // There is no other stream that might want it.
        stream_memory: if args.flow.is_some() {
            memory
        } else {
            policy.stream_memory
        },
        ..policy
    }
}

/// Reads all input; `store` is made once it is known to be there.
fn collect<S: Store>(
    args: &FollowArgs,
    store: impl FnOnce() -> Result<S>,
) -> Result<(Collected<S>, bool)> {
    let writes = [args.write.as_deref(), args.save_all.as_deref()];
    let writes: Vec<&Path> = writes.into_iter().flatten().collect();
    let plan = Plan {
        writes: &writes,
        ..Plan::default()
    };
    let Opened { choice, input, .. } = Choice::open(&args.analysis, plan, false)?;
    let store = store()?;
    let engine = input.engine(&args.analysis);
    let mut collector = Collector::new(engine, (args.flow.clone(), choice), policy(args), store);
    let sound = input.run(&mut collector)?.sound;
    let collected = collector.finish()?;
    super::analysis::tell_refused(&collected.engine, &args.analysis);
    if collected.refused > 0 {
        eprintln!(
            "mirrorscope: {} segments came after the place of their stream was given to others; raise --stream-memory",
            collected.refused
        );
    }
    Ok((collected, sound))
}

/// Tells why nothing is there to be followed.
fn nothing(others: &BTreeMap<u8, u64>, args: &FollowArgs) -> anyhow::Error {
    let meant = meant(args);
    let files = &args.analysis.input.files;
    let files: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    if let Some((number, _)) = others.first_key_value() {
        let name = match protocol_name(*number) {
            "IP" => format!("IP protocol {number}"),
            name => name.to_owned(),
        };
        return anyhow::anyhow!("{meant} is {name}: only TCP and UDP flows can be followed");
    }
    anyhow::anyhow!(
        "no flow {meant}; to list flows with their ids: mirrorscope flows {}",
        files.join(" ")
    )
}

/// What was asked for.
fn meant(args: &FollowArgs) -> String {
    match (&args.flow, &args.analysis.filter) {
        (Some(selector), None) => selector.to_string(),
        (Some(selector), Some(filter)) => format!("{selector} with {filter}"),
        (None, Some(filter)) => format!("with {filter}"),
        (None, None) => String::new(),
    }
}

/// Shows one flow, or one after the other.
fn show(args: &FollowArgs) -> Result<Outcome> {
    let raw = args.format == FollowFormat::Raw;
    if raw && args.direction.is_none() {
        bail!("--format raw is one direction: --direction orig or --direction resp");
    }
    if raw && args.write.is_none() && stdout().is_terminal() {
        bail!(
            "raw bytes could act on the terminal: -w FILE writes them to a file, -w - writes them here all the same"
        );
    }
    refuse_input(args)?;
    let (mut collected, sound) = collect(args, || Ok(Spools::default()))?;
    tell(&collected.engine.hints());
    if collected.flows.is_empty() {
        return Err(nothing(&collected.others, args));
    }
    if raw && collected.flows.len() > 1 {
        return Err(ambiguous(args, &mut collected));
    }
    put(args, |out, screen| {
        let losses = collected.engine.mirror_losses();
        for (index, flow) in collected.flows.iter().enumerate() {
            let recording = collected.store.replay(flow.serial(), flow.originator())?;
            let about = flow.conversation(collected.engine.receiver());
            let mut stream = Explained {
                stream: recording,
                losses: &losses,
                points: flow.points().collect(),
                only: args.direction.map(|side| side as usize),
            };
            if index > 0 && !raw {
                writeln!(out)?;
            }
            match args.format {
                FollowFormat::Ascii => ascii(out, screen, &about, &mut stream)?,
                FollowFormat::Hex => hex(out, screen, &about, &mut stream)?,
                FollowFormat::Yaml => yaml(out, &about, &mut stream)?,
                FollowFormat::Raw => bytes(out, &about, &mut stream, args.gaps)?,
            }
        }
        Ok(())
    })?;
    Ok(Outcome::new(sound, false))
}

/// Nothing is written over what is read.
fn refuse_input(args: &FollowArgs) -> Result<()> {
    match &args.write {
        Some(path) => refuse_own_input(path, args.analysis.input.all_files()),
        None => Ok(()),
    }
}

/// Hands the file that is asked for to `content`, or standard output.
fn put(
    args: &FollowArgs,
    content: impl FnOnce(&mut dyn Write, Screen) -> Result<()>,
) -> Result<()> {
    let Some(path) = &args.write else {
        return output::write(content);
    };
    let mut file = OutputFile::create(path)?;
    content(&mut file, Screen::of_file())?;
    Ok(file.commit()?)
}

/// Lists the flows of which one must be chosen.
fn ambiguous<S>(args: &FollowArgs, collected: &mut Collected<S>) -> anyhow::Error {
    let Collected { engine, flows, .. } = collected;
    let total = flows.len();
    let mut text = format!("{} means {total} flows; choose one by its id:", meant(args));
    for flow in flows.iter().take(LISTED) {
        let about = flow.conversation(engine.receiver());
        let [orig, resp] = about.ends.map(end);
        let _ = write!(text, "\n  {}  {} {orig} > {resp}", about.id, about.proto);
    }
    if total > LISTED {
        let _ = write!(text, "\n  … and {} more", total - LISTED);
    }
    anyhow::anyhow!(text)
}

/// A stream whose gaps the mirrors explain where they can.
pub struct Explained<'a, R> {
    /// As it was put together.
    pub stream: R,
    /// What the mirrors lost.
    pub losses: &'a MirrorLosses,
    /// Points that saw it.
    pub points: Vec<PointId>,
    /// The only direction that is asked for.
    pub only: Option<usize>,
}

impl<R: Replay> Replay for Explained<'_, R> {
    fn replay(&mut self, sink: &mut dyn FnMut(Item<'_>) -> Result<()>) -> Result<()> {
        let Self {
            stream,
            losses,
            points,
            only,
        } = self;
        stream.replay(&mut |item| match item {
            item if only.is_some_and(|only| only != item.side()) => Ok(()),
            Item::Gap(gap) => sink(Item::Gap(Gap {
                cause: losses.cause(&gap, points.iter().copied()),
                ..gap
            })),
            item => sink(item),
        })
    }
}

/// Writes the bytes of one direction, and tells on standard error what is missing.
fn bytes(
    out: &mut dyn Write,
    about: &Conversation,
    stream: &mut dyn Replay,
    gaps: Gaps,
) -> Result<()> {
    let mut first = None;
    let (mut missing, mut count) = (0, 0);
    let mut way = 0;
    stream.replay(&mut |item| {
        match item {
            Item::Data { bytes, .. } => out.write_all(bytes)?,
            Item::Gap(gap) => {
                first.get_or_insert(gap);
                missing += gap.len;
                count += 1;
                way = gap.side;
                if gaps == Gaps::Zero {
                    zeros(gap.len, |zeros| Ok(out.write_all(zeros)?))?;
                }
            }
            Item::Note { .. } => {}
        }
        Ok(())
    })?;
    if let Some(first) = first {
        let done = match gaps {
            Gaps::Skip => "left out; --gaps zero fills them",
            Gaps::Zero => "written as zeros",
        };
        eprintln!(
            "mirrorscope: {} {}: {missing} bytes are missing in {count} gaps, the first at offset {} ({}); {done}",
            about.id,
            WAYS.get(way).copied().unwrap_or_default(),
            first.offset,
            because(first.cause)
        );
    }
    Ok(())
}

/// Gives so many zeros to `sink`, piece by piece.
fn zeros(len: u64, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    const ZEROS: [u8; 1 << 14] = [0; 1 << 14];
    let mut rest = len;
    while rest > 0 {
        let piece = ZEROS.get(..rest.min(ZEROS.len() as u64) as usize);
        let piece = piece.unwrap_or_default();
        sink(piece)?;
        rest -= piece.len() as u64;
    }
    Ok(())
}

/// Lists all streams.
fn list_all(args: &FollowArgs) -> Result<Outcome> {
    refuse_input(args)?;
    let (mut collected, sound) = collect(args, || Ok(list::Nothing))?;
    tell(&collected.engine.hints());
    refuse_none(&collected, args)?;
    put(args, |out, _| {
        list::write(out, &mut collected, csv::Files::None, |_, _| Ok(None))
    })?;
    Ok(Outcome::new(sound, false))
}

/// Tells if flows were asked for, and there are none.
fn refuse_none<S>(collected: &Collected<S>, args: &FollowArgs) -> Result<()> {
    let asked = args.flow.is_some() || args.analysis.filter.is_some();
    if collected.flows.is_empty() && asked {
        return Err(nothing(&collected.others, args));
    }
    Ok(())
}

/// Saves all streams.
fn save_all(args: &FollowArgs, folder: &Path) -> Result<Outcome> {
    let store = || save::Files::create(folder, args.gaps == Gaps::Zero, args.force);
    let (mut collected, sound) = collect(args, store)?;
    tell(&collected.engine.hints());
    refuse_none(&collected, args)?;
    let (files, bytes) = save::finish(&mut collected)?;
    eprintln!(
        "mirrorscope: {}: {bytes} bytes in {files} files, listed in index.csv",
        folder.display()
    );
    Ok(Outcome::new(sound, false))
}
