use proptest::prelude::*;

use super::*;

#[track_caller]
fn reads(html: &str, text: &str) {
    assert_eq!(html_to_text(html), text, "{html}");
}

#[test]
fn a_message_of_a_mail_like_client_is_its_text() {
    // GC-MSG-07
    reads(
        "<!DOCTYPE html>\n<html><head><meta charset='utf-8'><title>Chat</title><style>p { color: red }</style></head>\n\
         <body>\n  <p class=\"a>b\">Wherefore <b>art</b>\n thou,&nbsp;<i>Romeo</i>?</p>\n  <div>Deny &lt;thy&gt; father\
         <br>&amp; refuse</div><ul><li>thy</li>\n<li>name</li></ul></body></html>",
        "Wherefore art thou,\u{a0}Romeo?\nDeny <thy> father\n& refuse\nthy\nname",
    );
}

#[test]
fn scripts_styles_and_heads_are_not_read() {
    // GC-MSG-07
    reads("a<script>if (1 < 2) '</b>'</SCRIPT >b<Style>x</style>c", "abc");
    reads("a<script>b</scripted>c", "a");
    reads("<head>x<title>y</title>z<p>a", "a");
    reads("<head>x</head>a", "a");
    reads("a<!-- b > c -->d<!-- e", "ad");
    reads("<?xml version='1.0'?><![CDATA[x]]>a", "a");
}

#[test]
fn blocks_and_br_break_lines_and_other_white_space_is_one_space() {
    reads(" a \t\r\n b ", "a b");
    reads("<p>a</p>\n\n<p> b </p>", "a\nb");
    reads("a<br/><br>b", "a\n\nb");
    reads("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", "a b\nc");
    reads("<h1>a</h1>b", "a\nb");
    reads("<pre>a\n  b\n\nc</pre>d  e", "a\n  b\n\nc\nd e");
}

#[test]
fn references_stand_for_characters_once() {
    reads("&amp;lt; &#65;&#x1F339;&#x80;&#150; &szlig;&euro;", "&lt; A\u{1f339}\u{20ac}\u{2013} ß€");
    reads("&nosuch; & &amp &#; &#x; &#+1; &;", "&nosuch; & &amp &#; &#x; &#+1; &;");
    reads("a&#0;b&#xD800;c&#99999999;d&#1;e&#xFFFE;f", "a\u{fffd}b\u{fffd}c\u{fffd}def");
}

#[test]
fn a_lone_angle_bracket_is_text() {
    reads("1 < 2 and 3 <4 <", "1 < 2 and 3 <4 <");
    reads("a </ b", "a </ b");
    reads("I <3 U", "I <3 U");
    reads("a <b", "a");
    reads("<p it's>a", "a");
}

#[test]
fn hostile_markup_costs_no_more_than_its_length() {
    for piece in ["<", "</", "<!--", "<a ", "<a b='", "&", "&#", "<script>", "</script", "<script></", "<br>", "<pre> "]
    {
        let html = piece.repeat(100_000);
        assert!(html_to_text(&html).len() <= html.len(), "{piece}");
    }
}

proptest! {
    #[test]
    fn no_script_is_read_wherever_it_stands(
        before in "(<p>|<b c='>'>|</p>|<br/>|<head>|</head>|<body>|<!-- > -->|&lt;|a| |\n){0,20}",
        script in "(<script>|<SCRIPT src='x>y' >)(zz|<b>|<!--|'|\"|<|</b>|&lt;){0,5}</Script\n?>",
        after in "(<p>|a|\n|<head>|</div>){0,9}",
    ) {
        let text = html_to_text(&(before + &script + &after));
        prop_assert!(!text.contains("zz") && !text.to_ascii_lowercase().contains("script"), "{}", text);
        prop_assert_eq!(text.trim_end(), &text);
    }

    #[test]
    fn anything_at_all_becomes_text_that_xml_can_carry(html: String) {
        prop_assert!(html_to_text(&html).chars().all(is_xml_char));
    }
}
