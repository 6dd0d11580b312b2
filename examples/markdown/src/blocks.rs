//! Code blocks as stages.

use pylightnix::prelude::*;

// ANCHOR: config
/// A code block of a document. It depends on the previous block in its language, and so on all earlier ones.
#[derive(Config)]
pub struct Block {
    /// The output.
    #[selfref("output.txt")]
    pub output: SelfRef<Text>,
    /// The code.
    pub code: String,
    /// The interpreter: a program and its arguments, before the file with the code.
    pub program: Vec<String>,
    /// A statement of the language that prints the text in place of `MARK`.
    pub print: String,
    /// The previous block.
    #[dref]
    pub before: Option<DRef<Block>>,
}
// ANCHOR_END: config

// ANCHOR: stage
/// Runs all code up to this block in one process, and keeps the output from this block on.
#[stage]
fn block(b: &Build<Block>) -> Result<BlockOutputs> {
    let mut earlier = Vec::new();
    let mut before = b.before.as_ref();
    while let Some(block) = before {
        earlier.push(block.code.as_str());
        before = block.before.as_ref();
    }
    // No block prints this by chance.
    let mark = format!("-- {} begins --", b.dref());
    let mut code: String = earlier.into_iter().rev().collect();
    code += &format!("{}\n{}", b.print.replace("MARK", &mark), b.code);
    let script = b.scratch()?.join("code");
    std::fs::write(&script, code)?;

    // Standard error goes to the log.
    let mut command = b.command("sh");
    command
        .args(["-c", r#"exec "$@" > "$output""#, "sh"])
        .args(&b.program)
        .arg(script)
        .current_dir(b.scratch()?);
    b.run(&mut command)?;

    let all = std::fs::read_to_string(b.output.path())?;
    let (_, own) = all
        .split_once(&(mark + "\n"))
        .ok_or("the blocks before it end the program")?;
    Ok(BlockOutputs {
        output: b.output.save(own)?,
    })
}
// ANCHOR_END: stage

/// A language whose blocks are run.
#[derive(Clone, Debug)]
pub struct Language {
    /// Its name in info strings.
    pub name: String,
    /// As in [`Block`].
    pub program: Vec<String>,
    /// As in [`Block`].
    pub print: String,
}

impl Language {
    /// Returns the known languages.
    pub fn known() -> Vec<Language> {
        let known = [
            ("sh", "sh -e", "echo 'MARK'"),
            ("bash", "bash -e", "echo 'MARK'"),
            ("python", "python3 -u", "print('MARK')"),
            ("perl", "perl", r#"$| = 1; print "MARK\n";"#),
            ("ruby", "ruby", "puts 'MARK'"),
            ("js", "node", "console.log('MARK')"),
        ];
        let known = known.map(|(name, program, print)| Language::new(name, program, print));
        known.into()
    }

    /// Creates a language.
    pub fn new(name: &str, program: &str, print: &str) -> Language {
        Language {
            name: name.to_owned(),
            program: program.split_whitespace().map(str::to_owned).collect(),
            print: print.to_owned(),
        }
    }
}
