//! Who asks, and remembers: each address is asked for once.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mirrorscope_engine::Engine;
use mirrorscope_engine::names::Names;

/// Addresses that are asked for, in all.
const MOST: usize = 4096;
/// From one look at the flows to the next.
const PACE: Duration = Duration::from_secs(5);
/// How long answers are waited for at the end.
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(5);

/// Asks for names without waiting for them.
pub struct Resolver {
    worker: ChildStdin,
    /// What it says, until somebody listens: privileges are given up by a process of one thread.
    unheard: Option<ChildStdout>,
    /// Those that inventories and hosts files tell.
    known: Arc<Names>,
    asked: BTreeSet<IpAddr>,
    answers: Arc<Answers>,
    /// Answers that are among the engine's names.
    taken: usize,
    looked: Option<Instant>,
}

/// What came back.
#[derive(Default)]
struct Answers {
    told: Mutex<Told>,
    news: Condvar,
}

#[derive(Default)]
struct Told {
    names: Names,
    count: usize,
    ended: bool,
}

impl Resolver {
    /// Starts the process that asks, while this one may still start others.
    pub fn start(known: &Arc<Names>, user: Option<&str>) -> Result<Self> {
        let program = std::env::current_exe().context("--resolve: where this program is")?;
        let mut command = Command::new(program);
        command.arg(super::COMMAND);
        if let Some(user) = user {
            command.arg("--user").arg(user);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("--resolve: cannot start the process that asks for names")?;
        let (worker, told) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .context("--resolve: no pipe to the process that asks for names")?;
        Ok(Self {
            worker,
            unheard: Some(told),
            known: Arc::clone(known),
            asked: BTreeSet::new(),
            answers: Arc::default(),
            taken: 0,
            looked: None,
        })
    }

    /// Now and then asks for what an engine has seen meanwhile, and gives it the names that are there.
    pub fn refresh(&mut self, engine: &mut Engine) {
        if self.looked.is_some_and(|looked| looked.elapsed() < PACE) {
            return;
        }
        self.looked = Some(Instant::now());
        self.ask(engine);
        self.give(engine);
    }

    /// The same, and waits for the answers, but not for ever; not for long if somebody `attends`.
    pub fn finish(&mut self, engine: &mut Engine, attends: bool) {
        self.ask(engine);
        let patience = if attends { SHORT } else { LONG };
        self.answers.wait(self.asked.len(), patience);
        self.give(engine);
    }

    fn ask(&mut self, engine: &Engine) {
        if let Some(unheard) = self.unheard.take() {
            let answers = Arc::clone(&self.answers);
            let listener = thread::Builder::new().name("names".to_owned());
            if listener.spawn(move || answers.listen(unheard)).is_err() {
                self.answers.end();
            }
        }
        if self.asked.len() >= MOST {
            return;
        }
        let mut lines = String::new();
        for address in engine.addresses(MOST) {
            if self.asked.len() < MOST
                && self.known.of(address).is_none()
                && !address.is_multicast()
                && self.asked.insert(address)
            {
                lines.push_str(&address.to_string());
                lines.push('\n');
            }
        }
        // Without the process there are no names, as without a name service.
        let _ = self.worker.write_all(lines.as_bytes());
    }

    fn give(&mut self, engine: &mut Engine) {
        let told = self.answers.lock();
        if told.count > self.taken {
            self.taken = told.count;
            let mut names = Names::clone(&self.known);
            names.fall_back_on(&told.names);
            engine.set_names(Arc::new(names));
        }
    }
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes answers until there are no more.
    fn listen(&self, lines: ChildStdout) {
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            let mut told = self.lock();
            told.count += 1;
            if let Some((address, name)) = line.split_once(' ')
                && let Ok(address) = address.parse()
            {
                told.names.learn(address, name);
            }
            self.news.notify_all();
        }
        self.end();
    }

    /// No answer will come any more.
    fn end(&self) {
        self.lock().ended = true;
        self.news.notify_all();
    }

    /// Waits for so many answers.
    fn wait(&self, count: usize, patience: Duration) {
        let waits = |told: &mut Told| told.count < count && !told.ended;
        let _ = self.news.wait_timeout_while(self.lock(), patience, waits);
    }
}
