use std::io::Write as _;
use std::process::ExitCode;

use w2s::app::{App, Keymap, Options};
use w2s::cli::{Cli, Command, PlaygroundArgs};
use w2s::config::{Config, ConfigError, Device, Ground};
use w2s::decoder::{Placement, Sums, pool, start_threads, use_vectors};
use w2s::judge::{JudgeError, JudgeSpec};
use w2s::library::Library;
use w2s::message::{MOST_BESIDE, Way};
use w2s::models::{LoadError, ModelSpec, PAIRS, PairSpec, about};
use w2s::search::{ParamError, SearchParams};
use w2s::terminal::{self, Channels};
use w2s::worker::{self, Startup};
use w2s::{home, keeper, keys, log, panics, report, samples, ui};

/// Said before anything is loaded or written.
const NO_TERMINAL: &str = "the playground needs a terminal for input and output: \
                           `w2s run` works without one";

fn main() -> ExitCode {
    panics::end_in_order(terminal::restore);
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    // The manual is for those whose configuration does not work, too.
    if let Some(Command::Print(what)) = &cli.command {
        return report::print(what);
    }
    match config() {
        Ok((config, keymap)) => work(cli, config, keymap),
        Err(error) => report::fail(&error),
    }
}

/// The user's file, and what its keys mean.
fn config() -> Result<(Config, Keymap), ConfigError> {
    let file = home::config_file();
    let config = file.map_or_else(|| Ok(Config::default()), |file| Config::read(&file))?;
    let keymap = keys::keymap(&config.keys)?;
    Ok((config, keymap))
}

fn work(mut cli: Cli, config: Config, keymap: Keymap) -> ExitCode {
    cli.fill(&config);
    let leave: Option<keeper::Leave> = match &cli.command {
        Some(_) => None,
        None if terminal::is_there() => Some(terminal::leave_for_another),
        None => return report::fail(&NO_TERMINAL),
    };
    if let Some(code) = keeper::keep(leave) {
        return code;
    }
    if let Some(error) = vectors() {
        return report::fail(&error);
    }
    if let Err(error) = start_threads() {
        return report::fail(&format!(
            "the system gives no threads ({error}): end some programs"
        ));
    }
    match &cli.command {
        Some(command) => headless(command),
        None => match playground(&cli.playground, config, keymap) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => report::fail(&error),
        },
    }
}

/// Why arithmetic cannot use the vectors that the environment names.
fn vectors() -> Option<String> {
    let name = std::env::var("W2S_VECTORS").ok();
    let name = name.filter(|name| !name.is_empty())?;
    let error = use_vectors(&name).err()?;
    Some(format!("W2S_VECTORS: {error}"))
}

fn headless(command: &Command) -> ExitCode {
    match library(command) {
        // There from the beginning: every step of a search would wake the threads anew.
        Ok(library) => {
            let mut library = library.watched(report::bars());
            pool().install(|| report::main(command, &mut library))
        }
        Err(error) => report::fail(&error),
    }
}

/// An empty library on the devices, and with the templates, that the command line names.
fn library(command: &Command) -> Result<Library, LoadError> {
    let (models, pair) = match command {
        Command::Run(args) => (Some(&args.models), Some(&args.models.weak)),
        Command::Eval(args) => (Some(&args.models), Some(&args.models.weak)),
        Command::Inspect(args) => (Some(&args.models), Some(&args.models.weak)),
        Command::Score(args) => (None, Some(&args.pair)),
        Command::Tune(_) | Command::Judge(_) | Command::Panel(_) => (None, None),
        Command::Models(_) | Command::Print(_) => (None, None),
    };
    let device = match command {
        Command::Tune(args) => args.model.device.unwrap_or_default(),
        _ => pair.map_or(Device::Cpu, |pair| pair.device()),
    };
    let templates = models.map(|models| models.templates());
    let templates = templates.or_else(|| pair.map(|pair| pair.templates()));
    let library = Library::open(device.into())?.with_templates(templates.unwrap_or_default());
    let library = match models.and_then(|models| models.pair_device) {
        Some(device) => library.with_pairs_on(Placement::pick(device.into())?),
        None => library,
    };
    let is_tape = matches!(command, Command::Run(args) if args.tape.is_some());
    let exact = is_tape || pair.is_none_or(|pair| pair.exact);
    Ok(library.with_sums(Sums::wished(exact)))
}

fn playground(args: &PlaygroundArgs, config: Config, keymap: Keymap) -> color_eyre::Result<()> {
    let log = log();
    // Models load while the terminal is asked for its background.
    let startup = startup(args)?;
    args.models.weak.panel()?.check(args.search.rule()?)?;
    let methods = methods(args)?;
    let judges = startup.judges.iter().map(JudgeSpec::to_string).collect();
    let worker = worker::spawn(startup)?;
    let options = Options {
        judges,
        ..options(args, &methods, &config, keymap)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let channels = Channels {
        commands: worker.commands,
        updates: worker.updates,
        live: worker.live,
    };
    let app = App::new(options);
    let outcome = runtime.block_on(terminal::run(app, channels, &log));
    worker.thread.join();
    Ok(outcome?)
}

/// Starts the log; its name, or why there is none, which is no obstacle.
fn log() -> String {
    let Some(file) = home::log_file() else {
        return "no log".to_owned();
    };
    let name = file.display().to_string();
    match log::start(&file) {
        Ok(()) => name,
        Err(error) => {
            let told = format!("note: there is no log, {name} cannot be written: {error}");
            let _ = writeln!(std::io::stderr(), "{}", w2s::line::one_line(&told));
            "no log".to_owned()
        }
    }
}

/// The settings of the run, and those of other methods beside it.
fn methods(args: &PlaygroundArgs) -> Result<Vec<SearchParams>, ParamError> {
    let named = args.search.method.iter();
    match &args.search.method[..] {
        [] => Ok(vec![args.search.params()?]),
        all if all.len() > MOST_BESIDE + 1 => Err(ParamError::TooManyMethods(MOST_BESIDE + 1)),
        _ => named.map(|name| args.search.of_method(*name)).collect(),
    }
}

fn options(
    args: &PlaygroundArgs,
    methods: &[SearchParams],
    config: &Config,
    keymap: Keymap,
) -> Options {
    let usual_pace = Options::default().pace;
    // What is no panel was told before.
    let panel = args.models.weak.panel().map(|panel| panel.id());
    let pair = panel.unwrap_or_else(|_| args.models.weak.pair().into());
    let way = |params: &SearchParams| Way {
        params: *params,
        pair: pair.clone(),
    };
    let locale = || ui::is_ascii(|name| std::env::var(name).ok());
    Options {
        samples: samples::prompts(),
        prompt: args.prompt.clone(),
        // There is always one.
        params: methods.first().copied().unwrap_or_default(),
        beside: methods.iter().skip(1).map(way).collect(),
        pair: (!args.models.weak.pair.is_empty()).then(|| pair.clone()),
        judges: Vec::new(),
        pace: args.pace.unwrap_or(usual_pace),
        keymap,
        tour: !args.no_tour && home::is_first_start(),
        loads: home::loads(),
        ascii: config.playground.ascii.unwrap_or_else(locale),
        light: is_light(args.theme.unwrap_or_default()),
    }
}

fn is_light(ground: Ground) -> bool {
    match ground {
        Ground::Auto => ui::is_light(|name| std::env::var(name).ok())
            .or_else(terminal::has_light_background)
            .unwrap_or(false),
        Ground::Dark => false,
        Ground::Light => true,
    }
}

/// The judges beside the bundled one.
fn judges(args: &PlaygroundArgs) -> Result<Vec<JudgeSpec>, JudgeError> {
    let specs = args.judges.iter().map(|text| text.parse());
    let mut specs = specs.collect::<Result<Vec<JudgeSpec>, _>>()?;
    specs.retain(|spec| *spec != JudgeSpec::bundled());
    Ok(specs)
}

/// The bundled pairs, and before them the one asked for by SPEC.
fn startup(args: &PlaygroundArgs) -> color_eyre::Result<Startup> {
    let asked = args
        .models
        .weak
        .pair
        .iter()
        .filter(|spec| !PAIRS.contains(&spec.as_str()));
    let asked = asked.map(|spec| Ok((PairSpec::parse(spec)?, String::new())));
    let bundled = PAIRS
        .iter()
        .map(|name| Ok((PairSpec::parse(name)?, about(name).to_owned())));
    Ok(Startup {
        device: args.models.weak.device().into(),
        pair_device: args.models.pair_device.map(Into::into),
        sums: Sums::wished(args.models.weak.exact),
        strong: ModelSpec::parse(args.models.strong()),
        templates: args.models.templates(),
        pairs: asked.chain(bundled).collect::<color_eyre::Result<_>>()?,
        judges: judges(args)?,
    })
}
