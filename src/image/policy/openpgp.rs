//! OpenPGP signatures, by the program `gpg` with a keyring of its own.
//!
//! Keys are imported into an empty, private home that goes with the [`Keyring`], so that a user's own keys and trust have no say.
//! What gpg found is taken from its status lines (`doc/DETAILS` of GnuPG), never from its messages; anything that is not one good
//! signature over one message is refused.

use super::keys::Key;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is signed may have no more bytes.
const MAX_PAYLOAD: u64 = 4 << 20;

/// How to run gpg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpg {
    /// Path, or a name to look for in `PATH`.
    pub program: PathBuf,
    /// Directory in which homes are made.
    pub scratch: PathBuf,
}

impl Default for Gpg {
    fn default() -> Self {
        Self { program: "gpg".into(), scratch: "/tmp".into() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenPgpError {
    #[error("OpenPGP needs the program `{}` (package `gnupg` or `gpg`), which is not there", .0.display())]
    NoProgram(PathBuf),
    #[error("cannot run `{}`", program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("cannot make a home for gpg at `{}`", path.display())]
    Home { path: PathBuf, source: io::Error },
    #[error("gpg cannot import `{0}`: it must hold OpenPGP public keys only")]
    Import(String),
    #[error("it is no binary OpenPGP message")]
    NotOpenPgp,
    #[error("it is not signed, or is malformed")]
    NotSigned,
    #[error("it has {0} signatures instead of one")]
    SeveralSignatures(usize),
    #[error("it is signed by the key {0}, which is not among those trusted")]
    UnknownKey(String),
    #[error("the signature is wrong: what is signed was changed")]
    Bad,
    #[error("the signature has expired")]
    Expired,
    #[error("the key {0} has expired")]
    KeyExpired(String),
    #[error("the key {0} was revoked")]
    KeyRevoked(String),
    #[error("gpg did not say clearly that the signature is good")]
    Unclear,
    #[error("cannot read what is signed")]
    Output(#[source] io::Error),
    #[error("gpg cannot sign with the key `{0}`")]
    Sign(String),
}

/// Keys that are trusted. Its home is removed with it.
#[derive(Debug)]
pub struct Keyring<'a> {
    gpg: &'a Gpg,
    home: PathBuf,
    /// Fingerprints of the primary keys.
    trusted: Vec<String>,
}

impl Gpg {
    /// A keyring of these keys, binary or armored.
    pub fn import(&self, keys: &[Key]) -> Result<Keyring<'_>, OpenPgpError> {
        let mut keyring = Keyring { gpg: self, home: make_home(&self.scratch)?, trusted: Vec::new() };
        // One by one, so that it can be said which one is not a key.
        for key in keys {
            let mut import = keyring.command();
            import.arg("--import").arg(keyring.write("key", &key.content)?);
            let (success, status) = self.run(import)?;
            let imported = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] IMPORT_OK "));
            let imported: Vec<_> = imported.filter_map(|words| words.split(' ').nth(1)).map(str::to_owned).collect();
            if !success || imported.is_empty() {
                return Err(OpenPgpError::Import(key.name.clone()));
            }
            keyring.trusted.extend(imported);
        }
        Ok(keyring)
    }

    /// User ids of the keys in a file, without trusting any.
    pub fn user_ids(&self, key: &[u8]) -> Result<Vec<String>, OpenPgpError> {
        let keyring = Keyring { gpg: self, home: make_home(&self.scratch)?, trusted: Vec::new() };
        let mut show = keyring.command();
        show.args(["--with-colons", "--show-keys"]).arg(keyring.write("key", key)?);
        let (_, listing) = self.run(show)?;
        let ids = listing.lines().filter_map(|line| line.strip_prefix("uid:"));
        // The tenth field of the record; colons in it are escaped.
        Ok(ids.filter_map(|rest| rest.split(':').nth(8)).map(str::to_owned).collect())
    }

    /// A signed message that carries `payload`, made with a key of the user's own keyring, or of another `home`. Whoever holds
    /// the passphrase may be asked for it by gpg's agent.
    pub fn sign(&self, payload: &[u8], key: &str, home: Option<&Path>) -> Result<Vec<u8>, OpenPgpError> {
        let scratch = Keyring { gpg: self, home: make_home(&self.scratch)?, trusted: Vec::new() };
        let output = scratch.home.join("signature");
        let mut sign = Command::new(&self.program);
        if let Some(home) = home {
            sign.arg("--homedir").arg(home);
        }
        sign.args(["--quiet", "--batch", "--status-fd", "1", "--local-user", key, "--output"]).arg(&output);
        sign.arg("--sign").arg(scratch.write("payload", payload)?);
        let (success, status) = self.run(sign)?;
        if !success || !status.contains("[GNUPG:] SIG_CREATED ") {
            return Err(OpenPgpError::Sign(key.to_owned()));
        }
        std::fs::read(output).map_err(OpenPgpError::Output)
    }

    /// Runs to the end; gives its success and its standard output.
    fn run(&self, mut command: Command) -> Result<(bool, String), OpenPgpError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let output = command.output().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => OpenPgpError::NoProgram(self.program.clone()),
            _ => OpenPgpError::Run { program: self.program.clone(), source },
        })?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

impl Keyring<'_> {
    /// What a signed message carries, when one of the keys signed it.
    pub fn verify(&self, message: &[u8]) -> Result<Vec<u8>, OpenPgpError> {
        // Text around an armored or clear-signed message would not be signed, so packets only.
        if message.first().is_none_or(|byte| byte & 0x80 == 0) {
            return Err(OpenPgpError::NotOpenPgp);
        }
        let payload = self.home.join("payload");
        let mut verify = self.command();
        verify.args(["--max-output", &MAX_PAYLOAD.to_string(), "--yes", "--output"]).arg(&payload);
        verify.arg("--verify").arg(self.write("message", message)?);
        let (success, status) = self.gpg.run(verify)?;
        let signer = judge(&status)?;
        if !self.trusted.contains(&signer) {
            return Err(OpenPgpError::UnknownKey(signer));
        }
        if !success {
            return Err(OpenPgpError::Unclear);
        }
        let content = std::fs::read(&payload).map_err(OpenPgpError::Output)?;
        // The next message must not be answered with this content.
        std::fs::remove_file(&payload).map_err(OpenPgpError::Output)?;
        Ok(content)
    }

    /// gpg without an agent, a terminal or the network; status lines on standard output.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.gpg.program);
        command.env_remove("GNUPGHOME").env("LC_ALL", "C").arg("--homedir").arg(&self.home);
        command.args(["--quiet", "--batch", "--no-tty", "--no-autostart", "--disable-dirmngr"]);
        command.args(["--no-auto-key-retrieve", "--no-auto-key-locate", "--trust-model", "always", "--status-fd", "1"]);
        command
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, OpenPgpError> {
        let path = self.home.join(name);
        match std::fs::write(&path, content) {
            Ok(()) => Ok(path),
            Err(source) => Err(OpenPgpError::Home { path, source }),
        }
    }
}

impl Drop for Keyring<'_> {
    fn drop(&mut self) {
        // It holds nothing secret; a temporary directory is cleaned by others, too.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// A new directory that only we can enter.
fn make_home(scratch: &Path) -> Result<PathBuf, OpenPgpError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = scratch.join(format!("podkin-gpg-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            // Left by a killed process of the same number, or made by somebody else: never entered.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => {}
            Err(source) => return Err(OpenPgpError::Home { path, source }),
        }
    }
}

/// Fingerprint of the primary key that made the one good signature of which the status lines tell.
fn judge(status: &str) -> Result<String, OpenPgpError> {
    let lines: Vec<Vec<&str>> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split(' ').collect())
        .collect();
    let all = |keyword: &str| lines.iter().filter(|words| words[0] == keyword).collect::<Vec<_>>();
    let key = |words: &[&str]| words.get(1).copied().unwrap_or_default().to_owned();
    let signatures = all("NEWSIG").len();
    if signatures > 1 {
        return Err(OpenPgpError::SeveralSignatures(signatures));
    }
    for words in &lines {
        match words[0] {
            "BADSIG" => return Err(OpenPgpError::Bad),
            "EXPSIG" => return Err(OpenPgpError::Expired),
            "EXPKEYSIG" => return Err(OpenPgpError::KeyExpired(key(words))),
            "REVKEYSIG" => return Err(OpenPgpError::KeyRevoked(key(words))),
            // Without the key that is all it says.
            "NO_PUBKEY" => return Err(OpenPgpError::UnknownKey(key(words))),
            _ => {}
        }
    }
    if signatures == 0 || !all("NODATA").is_empty() {
        return Err(OpenPgpError::NotSigned);
    }
    if !all("ERRSIG").is_empty() || all("GOODSIG").len() != 1 || all("PLAINTEXT").len() != 1 {
        return Err(OpenPgpError::Unclear);
    }
    match all("VALIDSIG")[..] {
        // The class says that a document is signed, and not a key.
        [words] if words.len() == 11 && matches!(words[9], "00" | "01") => Ok(words[10].to_owned()),
        _ => Err(OpenPgpError::Unclear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[GNUPG:] NEWSIG\n[GNUPG:] KEY_CONSIDERED AA 0\n[GNUPG:] PLAINTEXT 62 0 \n[GNUPG:] GOODSIG BB me\n\
        [GNUPG:] VALIDSIG CC 2026-01-01 1 0 4 0 22 8 00 DD\n[GNUPG:] TRUST_ULTIMATE 0 always\n";

    #[test]
    fn one_good_signature_is_taken() {
        assert_eq!(judge(GOOD).unwrap(), "DD");
    }

    #[test]
    fn everything_else_is_refused() {
        let without = |keyword: &str| {
            let lines = GOOD.lines().filter(|line| !line.contains(keyword));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        let with = |line: &str| format!("{GOOD}[GNUPG:] {line}\n");
        let cases = [
            (String::new(), "not signed"),
            ("gpg: Good signature\n".into(), "not signed"),
            (GOOD.replace("[GNUPG:] ", ""), "not signed"),
            (without("NEWSIG"), "not signed"),
            (without("GOODSIG"), "clearly"),
            (without("VALIDSIG"), "clearly"),
            (without("PLAINTEXT"), "clearly"),
            (with("NEWSIG"), "2 signatures"),
            (with("GOODSIG BB me"), "clearly"),
            (with("PLAINTEXT 62 0 "), "clearly"),
            (with("VALIDSIG CC 2026-01-01 1 0 4 0 22 8 00 DD"), "clearly"),
            (with("BADSIG BB me"), "changed"),
            (with("EXPSIG BB me"), "signature has expired"),
            (with("EXPKEYSIG BB me"), "key BB has expired"),
            (with("REVKEYSIG BB me"), "key BB was revoked"),
            (with("ERRSIG BB 22 8 00 1 4 CC"), "clearly"),
            (with("NO_PUBKEY BB"), "key BB, which"),
            (with("NODATA 4"), "not signed"),
            (GOOD.replace(" 00 DD", " 13 DD"), "clearly"),
            (GOOD.replace(" 00 DD", " 00"), "clearly"),
        ];
        for (status, expected) in cases {
            let error = judge(&status).expect_err(&status).to_string();
            assert!(error.contains(expected), "{status}{error}");
        }
    }
}
