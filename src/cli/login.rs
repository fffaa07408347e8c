//! `login` and `logout`.

use super::context::Globals;
use super::error::CommandError;
use super::output::Output;
use super::registry::RegistryArgs;
use super::secret;
use crate::engine::Engine;
use crate::image::registry::Login;
use clap::Args;
use std::io::Read;
use std::path::PathBuf;

/// Log in to a registry
///
/// Checks name and password with the registry and keeps them in the auth file, or where a credential helper does.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Registry, as in quay.io, or a part of it, as in quay.io/team; the first that is searched for short names by default
    #[arg(value_name = "REGISTRY")]
    pub registry: Option<String>,
    #[arg(short, long, value_name = "NAME")]
    pub username: Option<String>,
    /// Better asked for, or given by --password-stdin: others may see the command line
    #[arg(short, long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password")]
    pub password_stdin: bool,
    /// Print the name that is logged in, and do nothing
    #[arg(long)]
    pub get_login: bool,
    /// Say where the login is kept
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub access: RegistryArgs,
}

/// Forget the login to a registry
#[derive(Debug, Args)]
pub struct LogoutArgs {
    #[arg(value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// Forget all logins
    #[arg(short, long, conflicts_with = "registry")]
    pub all: bool,
    /// File with credentials of registries [env: REGISTRY_AUTH_FILE]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("no registry was named, and registries.conf names none to search")]
    NoRegistry,
    #[error("not logged in to `{0}`")]
    NotLoggedIn(String),
    #[error("cannot read {what}")]
    Ask { what: &'static str, source: std::io::Error },
    #[error("--password-stdin needs --username")]
    NoUser,
    #[error("the password is empty")]
    Empty,
}

pub fn run(globals: &Globals, args: &LoginArgs) -> Result<(), CommandError> {
    let engine = globals.engine_with(args.access.settings_to_write()?)?;
    let registry = registry(&engine, args.registry.as_deref())?;
    let known = engine.login_of(&registry)?;
    let mut out = Output::new();
    if args.get_login {
        let login = known.ok_or_else(|| CommandError::engine(LoginError::NotLoggedIn(registry)))?;
        out.line(&login.user)?;
        return out.finish();
    }
    let asked =
        args.access.creds.is_some() || args.username.is_some() || args.password.is_some() || args.password_stdin;
    if let Some(login) = known.as_ref().filter(|_| !asked)
        && engine.check_login(&registry, login).is_ok()
    {
        out.line(format!("Existing credentials are valid. Already logged in to {registry}"))?;
        return out.finish();
    }
    let login = match engine.config().registries.login.clone() {
        Some(login) => login,
        None => credentials(args, known.as_ref())?,
    };
    engine.log_in(&registry, &login)?;
    out.line("Login Succeeded!")?;
    if args.verbose
        && let Some(file) = engine.config().registries.auth_files.first()
    {
        out.line(format!("Used: {}", file.display()))?;
    }
    out.finish()
}

pub fn run_logout(globals: &Globals, args: &LogoutArgs) -> Result<(), CommandError> {
    let access = RegistryArgs { authfile: args.authfile.clone(), ..RegistryArgs::default() };
    let engine = globals.engine_with(access.settings_to_write()?)?;
    let mut out = Output::new();
    if args.all {
        engine.log_out_everywhere()?;
        out.line("Removed login credentials for all registries")?;
        return out.finish();
    }
    let registry = registry(&engine, args.registry.as_deref())?;
    engine.log_out(&registry)?;
    out.line(format!("Removed login credentials for {registry}"))?;
    out.finish()
}

/// The registry that was named, without scheme, or the first that is searched.
fn registry(engine: &Engine, named: Option<&str>) -> Result<String, CommandError> {
    let plain = |text: &str| {
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        text.trim_end_matches('/').to_owned()
    };
    match named {
        Some(named) => Ok(plain(named)),
        None => engine.first_search_registry()?.ok_or_else(|| CommandError::invalid(LoginError::NoRegistry)),
    }
}

/// Name and password: from options, standard input, or asked for.
fn credentials(args: &LoginArgs, known: Option<&Login>) -> Result<Login, CommandError> {
    let failed = |what| move |source| CommandError::engine(LoginError::Ask { what, source });
    let user = match (&args.username, args.password_stdin) {
        (Some(user), _) => user.clone(),
        (None, true) => return Err(CommandError::invalid(LoginError::NoUser)),
        (None, false) => {
            let default = known.map(|login| login.user.as_str()).filter(|user| *user != "<token>");
            let question = default.map_or("Username: ".to_owned(), |user| format!("Username ({user}): "));
            let typed = secret::ask_openly(&question).map_err(failed("the name"))?;
            match (typed.is_empty(), default) {
                (true, Some(user)) => user.to_owned(),
                _ => typed,
            }
        }
    };
    let secret = match (&args.password, args.password_stdin) {
        (Some(password), _) => password.clone(),
        (None, true) => {
            let mut text = String::new();
            std::io::stdin().take(1 << 20).read_to_string(&mut text).map_err(failed("the password"))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        (None, false) => secret::ask("Password: ").map_err(failed("the password"))?,
    };
    if secret.is_empty() {
        return Err(CommandError::invalid(LoginError::Empty));
    }
    Ok(Login { user, secret })
}
