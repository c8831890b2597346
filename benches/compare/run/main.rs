//! Runs the load against each server in turn, several rounds, and prints one table of the medians.
//!
//! `cargo bench --bench compare [-- --deflate --rounds 5 --seconds 0.6]`

mod deflate;
mod machine;
mod plain;
mod table;
mod trial;

use std::error::Error;

use self::machine::Machine;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut compressed, mut rounds, mut seconds) = (false, 5, 0.6);
    // The first is cargo's.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--deflate" => compressed = true,
            "--rounds" => rounds = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    compare::allow_many_files()?;
    let machine = Machine::look()?;
    eprintln!("{machine}");
    let table = if compressed {
        deflate::table(&machine, rounds, seconds)?
    } else {
        plain::table(&machine, rounds, seconds)?
    };
    println!("{table}");
    Ok(())
}
