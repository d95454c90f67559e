//! `dbopt token`

use std::time::SystemTime;

use dbopt_auth::{AccessPolicy, Grant, Inspected, IssueError, TokenConfig};
use dbopt_finding::Finding;
use dbopt_policy::suggest;

use super::{Context, load, secret};
use crate::{
    cli::{Token, TokenInspect, TokenIssue, TokenVerify},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::token::{DecisionView, TokenView},
};

/// Issues, verifies or shows a token.
pub(crate) fn run(context: &Context, command: &Token) -> Result<Exit, Failure> {
    match command {
        Token::Issue(args) => issue(context, args),
        Token::Verify(args) => verify(context, args),
        Token::Inspect(args) => inspect(context, args),
    }
}

fn issue(context: &Context, args: &TokenIssue) -> Result<Exit, Failure> {
    let policy: AccessPolicy = load::policy(context, &args.policy, true)?;
    let names = || policy.matrix.roles().iter().map(|role| role.name.as_str());
    let unknown = args.roles.iter().filter(|role| !names().any(|name| name == role.as_str()));
    let findings: Vec<Finding> = unknown
        .map(|role| {
            let finding = Finding::warning("unknown-role", format!("the policy has no role `{role}`"));
            match suggest(role, names()) {
                Some(meant) => finding.help(format!("Did you mean `{meant}`?")),
                None => finding,
            }
        })
        .collect();
    context.stderr.findings(&findings);
    let grant = Grant { subject: args.subject.clone(), tenant: args.tenant.clone(), roles: args.roles.clone() };
    let tokens = policy.tokens().map_err(Failure::fault)?;
    let (token, _) = tokens.issue(&grant, SystemTime::now()).map_err(|error| match error {
        IssueError::Random => Failure::new(Exit::Internal, error.to_string()),
        IssueError::NoKey => {
            Failure::usage(error.to_string()).hint("say `signing` in the section `[token]` of the policy")
        }
        _ => Failure::usage(error.to_string()),
    })?;
    output::data(None, &format!("{token}\n"))?;
    Ok(Exit::Done)
}

fn verify(context: &Context, args: &TokenVerify) -> Result<Exit, Failure> {
    let policy: AccessPolicy = load::policy(context, &args.policy, true)?;
    let tokens = policy.tokens().map_err(Failure::fault)?;
    let token = read()?;
    let most_bytes = tokens.config().most_bytes;
    let answer = tokens.verify(&token, SystemTime::now());
    let mut view = TokenView::new(&Inspected::dangerous_without_verifying(&token, most_bytes).ok());
    let exit = match answer {
        Ok(verified) => {
            view.verified = Some(true);
            let grant = verified.grant();
            view.decision = args.permission.as_ref().map(|permission| {
                let decision =
                    policy.matrix.explain(&grant.roles, permission, grant.tenant.as_deref(), args.tenant.as_deref());
                DecisionView::new(permission, args.tenant.as_deref(), &decision)
            });
            let is_denied = view.decision.as_ref().is_some_and(|decision| !decision.allowed);
            if is_denied { Exit::Findings } else { Exit::Done }
        }
        Err(refused) => {
            view.verified = Some(false);
            view.refused(refused.reason());
            Exit::Findings
        }
    };
    output::report(&context.global, args.format, None, &view, document::token::document)?;
    Ok(exit)
}

fn inspect(context: &Context, args: &TokenInspect) -> Result<Exit, Failure> {
    let token = read()?;
    let most_bytes = TokenConfig::new("", "").most_bytes;
    let (view, exit) = match Inspected::dangerous_without_verifying(&token, most_bytes) {
        Ok(inspected) => (TokenView::new(&Some(inspected)), Exit::Done),
        Err(refused) => {
            let mut view = TokenView::new(&None);
            view.refused(refused.reason());
            (view, Exit::Findings)
        }
    };
    output::report(&context.global, args.format, None, &view, document::token::document)?;
    Ok(exit)
}

/// The token, without white space around it or the `Bearer` of a header.
fn read() -> Result<String, Failure> {
    let line = secret::read("Token: ")?;
    let text = String::from_utf8_lossy(&line);
    let text = text.trim();
    Ok(text.strip_prefix("Bearer ").unwrap_or(text).trim().to_owned())
}
