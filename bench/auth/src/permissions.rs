//! The time of a permission check.

use std::hint::black_box;

use dbopt_auth::{Matrix, Role};

use crate::{Work, best};

pub(crate) fn measure(runs: u32) {
    println!("### A permission check, ns\n");
    println!(
        "| permissions | roles | of one role | of eight roles, the last has it | of eight, none has it | on a tenant's |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for (permissions, roles) in [(8, 4), (1_000, 100), (4_000, 4_000)] {
        let names: Vec<String> = (0..permissions).map(|at| format!("thing:{at}")).collect();
        let role = |at: usize| {
            let role = Role::new(format!("role-{at:05}"), [format!("thing:{}", at % permissions)]);
            // Half of them inherit from another.
            if at % 2 == 1 { role.inherits([format!("role-{:05}", at - 1)]) } else { role }
        };
        let matrix = Matrix::new(names, (0..roles).map(role)).expect("a matrix");
        let last = roles - 1;
        let asked = matrix.permission(&format!("thing:{}", last % permissions)).expect("a permission");
        let never = matrix.permission(&format!("thing:{}", (last / 2) % permissions)).expect("a permission");
        let one = [format!("role-{last:05}")];
        let mut eight: Vec<String> = (0..7).map(|at| format!("role-none-{at}")).collect();
        eight.push(one[0].clone());
        let mut works: Vec<Work<'_>> = vec![
            ("one", Box::new(|| assert!(matrix.allows(black_box(&one), black_box(asked))))),
            ("eight", Box::new(|| assert!(matrix.allows(black_box(&eight), black_box(asked))))),
            ("none", Box::new(|| assert!(!matrix.allows(black_box(&eight), black_box(never))))),
            ("tenant", Box::new(|| assert!(matrix.allows_in(black_box(&one), black_box(asked), Some("acme"), "acme")))),
        ];
        let times = best(&mut works, runs, 10_000);
        println!("| {permissions} | {roles} | {:.0} | {:.0} | {:.0} | {:.0} |", times[0], times[1], times[2], times[3]);
    }
    println!();
}
