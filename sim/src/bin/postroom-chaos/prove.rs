//! The proof that the checker sees: each deliberate fault must be noticed.

use std::process::ExitCode;

use postroom_core::sabotage::Fault;

use crate::site::Binary;
use crate::{Arguments, run};

/// Runs once with each fault; fails if one goes unnoticed.
pub async fn prove(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let binary = Binary::build(true)?;
    let mut seen = Vec::new();
    for fault in Fault::ALL {
        println!("\n{fault:?}");
        let with_fault = Arguments { sabotage: Some(fault), ..arguments.clone() };
        let report = Box::pin(run::run(with_fault, binary.clone())).await?;
        seen.push((fault, report.findings.violations().first().cloned()));
    }
    println!();
    for (fault, violation) in &seen {
        match violation {
            Some(violation) => println!("{fault:?} is noticed: {violation}"),
            None => println!("{fault:?} is NOT NOTICED"),
        }
    }
    let all = seen.iter().all(|(_, violation)| violation.is_some());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
