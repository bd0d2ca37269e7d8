//! [`macro@on_both_servers`]: one test, run on Prosody and on ejabberd. Owns nothing else, and needs no parser: it keeps
//! the function as it is and puts a module of the same name beside it.

use proc_macro::{TokenStream, TokenTree};

/// Runs an `async fn` without arguments as two tests, `its_name::prosody` and `its_name::ejabberd`.
///
/// `World` starts the server of the test that it is called in; `world.server.kind()` says which one that is. Arguments go
/// to `#[tokio::test]`: `#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]`. A test that means one server
/// only is a plain `#[tokio::test]` that sets `settings.server` and says why.
#[proc_macro_attribute]
pub fn on_both_servers(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let Some(name) = name(function.clone()) else {
        return "compile_error!(\"#[on_both_servers] stands in front of an `async fn`\");".parse().unwrap_or_default();
    };
    let test = |variant: &str| {
        format!(
            "#[::tokio::test({arguments})] async fn {}() {{
                ::mucfocus_rig::Kind::{variant}.run(super::{name}()).await
            }}",
            variant.to_ascii_lowercase()
        )
    };
    let tests = format!("mod {name} {{ {} {} }}", test("Prosody"), test("Ejabberd"));
    function.into_iter().chain(tests.parse::<TokenStream>().unwrap_or_default()).collect()
}

/// What follows the word `fn`.
fn name(function: TokenStream) -> Option<String> {
    let mut words = function.into_iter().filter_map(|token| match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    words.find(|word| word == "fn")?;
    words.next()
}
