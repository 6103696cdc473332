//! Into Wireshark's folder for capture sources, and out of it.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Outcome;

/// What the file in the folder is called.
const FILE: &str = "mirrorscope";
/// The folder's lines in what tshark tells, the better one first.
const FOLDERS: [&str; 2] = ["Personal Extcap path:", "Extcap path:"];
/// How it is known whose file it is.
const MARK: &str = "# Written by `mirrorscope extcap --install`.";

/// Writes a script that runs this program. A program that has capabilities keeps them so; a link to it may lose them.
pub fn install(folder: Option<&Path>) -> Result<Outcome> {
    let folder = chosen(folder)?;
    let program = env::current_exe().context("cannot tell where mirrorscope is")?;
    let script = format!(
        "#!/bin/sh\n{MARK}\nexec {} extcap \"$@\"\n",
        quoted(&program)?
    );
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file = folder.join(FILE);
    if fs::symlink_metadata(&file).is_ok() && !is_ours(&file) {
        bail!(
            "{}: is there already, and not mirrorscope's own",
            file.display()
        );
    }
    let beside = folder.join(format!(".{FILE}.{}", std::process::id()));
    let written = fs::write(&beside, script)
        .and_then(|()| fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| file.display().to_string())?;
    eprintln!(
        "mirrorscope: {} is there; start Wireshark anew, or look at `tshark -D`",
        file.display()
    );
    Ok(Outcome::Done)
}

/// Removes it.
pub fn remove(folder: Option<&Path>) -> Result<Outcome> {
    let file = chosen(folder)?.join(FILE);
    if fs::symlink_metadata(&file).is_ok() && !is_ours(&file) {
        bail!("{}: is not mirrorscope's own", file.display());
    }
    fs::remove_file(&file).with_context(|| file.display().to_string())?;
    eprintln!("mirrorscope: {} is gone", file.display());
    Ok(Outcome::Done)
}

/// Whether a file is one that was written here. One that is too large to be is not read.
fn is_ours(file: &Path) -> bool {
    let small = file
        .metadata()
        .is_ok_and(|file| file.is_file() && file.len() < 8192);
    small && fs::read_to_string(file).is_ok_and(|text| text.contains(MARK))
}

/// The folder that was named, or that tshark tells.
fn chosen(folder: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = folder {
        return Ok(folder.to_owned());
    }
    let asked = Command::new("tshark").args(["-G", "folders"]).output();
    let told = asked.context("tshark, to be asked for the folder; name it: --install FOLDER")?;
    let told = String::from_utf8_lossy(&told.stdout);
    let folder = FOLDERS.iter().find_map(|name| {
        let line = told.lines().find_map(|line| line.strip_prefix(name))?;
        Some(PathBuf::from(line.trim()))
    });
    folder.context("tshark does not tell its folder for capture sources; name it: --install FOLDER")
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| {
        format!(
            "{}: a path that is no text cannot stand in a script",
            path.display()
        )
    })?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_to_a_shell() {
        let path = Path::new("/opt/it's here/$(x)");
        assert_eq!(quoted(path).unwrap(), r"'/opt/it'\''s here/$(x)'");
    }
}
