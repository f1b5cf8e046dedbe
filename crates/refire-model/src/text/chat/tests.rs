use super::*;
use refire_core::{Role, ToolCall};
use serde_json::json;

fn rendered(template: &str, messages: &str) -> Result<String, ModelError> {
    let messages: ChatValue = messages.parse().unwrap();
    ChatTemplate::new(template)?.render_value(&messages, &RenderOptions::default())
}

fn text(template: &str) -> String {
    rendered(template, "[]").unwrap()
}

#[test]
fn values_print_as_in_python() {
    assert_eq!(text("{{ none }}|{{ true }}|{{ missing }}|{{ 1.0 }}"), "None|True||1.0");
    assert_eq!(text("{{ tools }}{{ 'a' ~ none ~ 1 }}"), "NoneaNone1");
    assert_eq!(text("{{ {'a': ['b', none]} }}"), "{'a': ['b', None]}");
    assert_eq!(text("{{ {'a': 1.5e300} | string }}"), "{'a': 1.5e+300}");
    assert_eq!(text("{{ ('a',) }}{{ [] }}"), "('a',)[]");
}

#[test]
fn json_is_written_as_python_writes_it() {
    let messages = r#"[{"z": "é<\"\\\u0001", "a": [1, 2.0, 1e22, null, true], "e": {}, "l": []}]"#;
    let json = |filter: &str| rendered(&format!("{{{{ messages[0] | {filter} }}}}"), messages);
    let plain = r#"{"z": "é<\"\\\u0001", "a": [1, 2.0, 1e+22, null, true], "e": {}, "l": []}"#;
    assert_eq!(json("tojson").unwrap(), plain);
    assert_eq!(json("tojson(ensure_ascii=true)").unwrap(), plain.replace('é', "\\u00e9"));
    let sorted = r#"{"a": [1, 2.0, 1e+22, null, true], "e": {}, "l": [], "z": "é<\"\\\u0001"}"#;
    assert_eq!(json("tojson(sort_keys=true)").unwrap(), sorted);
    let tight = json("tojson(separators=(',', ':'))").unwrap();
    assert_eq!(tight, r#"{"z":"é<\"\\\u0001","a":[1,2.0,1e+22,null,true],"e":{},"l":[]}"#);
    let lines = "{\n  \"z\": \"é<\\\"\\\\\\u0001\",\n  \"a\": [\n    1,\n    2.0,\n    1e+22,\n    null,\n    true\n  ],\n  \"e\": {},\n  \"l\": []\n}";
    assert_eq!(json("tojson(indent=2)").unwrap(), lines);
    assert!(json("tojson(nonsense=2)").is_err());
    assert!(rendered("{{ missing | tojson }}", "[]").is_err());
}

#[test]
fn python_methods() {
    assert_eq!(text("{{ ' a b '.strip().split() }}"), "['a', 'b']");
    assert_eq!(text("{{ 'a</t>b'.split('</t>')[-1] }}"), "b");
    assert_eq!(
        text("{{ 'a.b.c'.rsplit('.', 1) }}{{ 'a.b'.partition('.') }}"),
        "['a.b', 'c']('a', '.', 'b')"
    );
    assert_eq!(text("{{ 'ab'.removeprefix('a') }}{{ 'ab'.removesuffix('x') }}"), "bab");
    assert_eq!(
        text("{{ 'a.b.c'.rpartition('.')[0] }}{{ 'x'.rpartition('.') }}"),
        "a.b('', '', 'x')"
    );
    assert_eq!(
        text("{% for k, v in {'items': 1}.items() %}{{ k }}={{ v }}{% endfor %}"),
        "items=1"
    );
    assert_eq!(text("{{ {'a': 1}.get('b', 2) }}{{ [1, 2].index(2) }}"), "21");
    assert_eq!(text(r"{{ '\u001c\u0085 x \u200b\u2003'.strip() }}"), "x \u{200b}");
    assert_eq!(
        text("{{ 'xyx'.strip('x') }}{{ 'xyx'.lstrip('x') }}{{ 'xyx'.rstrip('x') }}"),
        "yyxxy"
    );
    assert_eq!(text("{{ ' a ' | trim }}{{ 'xax' | trim('x') }}{{ 1 | trim }}"), "aa1");
    assert!(rendered("{{ 'a'.nonsense() }}", "[]").is_err());
}

#[test]
fn generation_blocks_render_their_content() {
    let template = "{% for m in messages %}\n  {% generation %}\n{{ m.c }}\n  {%- endgeneration %}\n{% endfor %}";
    assert_eq!(rendered(template, r#"[{"c": "x"}, {"c": "y"}]"#).unwrap(), "xy");
}

#[test]
fn errors_carry_the_templates_message() {
    let error = rendered("{{ raise_exception('roles must alternate') }}", "[]").unwrap_err();
    assert!(error.to_string().contains("roles must alternate"), "{error}");
    assert!(matches!(error, ModelError::ChatTemplate { .. }));
    assert!(ChatTemplate::new("{% if %}").is_err());
    assert!(rendered("{{ missing.field }}", "[]").is_err());
    assert!(rendered("{{ 'a' + {'b': 1} }}", "[]").is_err());
    assert!(rendered("{{ 'a' + 1 }}", "[]").is_err());
}

#[test]
fn nothing_in_the_engine_gets_out_as_a_panic() {
    let empty = rendered("{% for m in messages[::-1] %}x{% endfor %}", "[]");
    assert!(empty.is_err() || empty.is_ok_and(|text| text.is_empty()));
}

#[test]
fn messages_reach_the_template_with_calls_in_the_usual_shape() {
    let mut call = Message::new(Role::Assistant, "");
    call.tool_calls = vec![ToolCall {
        id: Some("c1".to_owned()),
        name: "add".to_owned(),
        arguments: json!({"a": 1}),
    }];
    let mut answer = Message::new(Role::Tool, "3");
    answer.tool_call_id = Some("c1".to_owned());
    answer.name = Some("add".to_owned());
    let messages = [call, answer, Message::new(Role::Other("developer".to_owned()), "é")];
    let template = ChatTemplate::new("{{ messages | tojson }}").unwrap();
    let expected = r#"[{"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": "c1", "function": {"name": "add", "arguments": {"a": 1}}}]}, {"role": "tool", "content": "3", "tool_call_id": "c1", "name": "add"}, {"role": "developer", "content": "é"}]"#;
    assert_eq!(template.render(&messages, &RenderOptions::default()).unwrap(), expected);
}

fn file(dir: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
    std::fs::write(dir.join(name), text).unwrap();
}

fn says(template: &ChatTemplate, options: &RenderOptions) -> String {
    template.render(&[], options).unwrap()
}

#[test]
fn folders_hold_templates_in_several_places() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(ChatTemplate::from_dir(dir).unwrap().is_none());

    let one = json!({"chat_template": "one {{ eos_token }}", "eos_token": {"content": "</s>"}});
    file(dir, "tokenizer_config.json", &one.to_string());
    let options = RenderOptions::default();
    assert_eq!(says(&ChatTemplate::from_dir(dir).unwrap().unwrap(), &options), "one </s>");

    let list = json!({"chat_template": [{"name": "default", "template": "plain"},
                                        {"name": "tool_use", "template": "tools"},
                                        {"name": "rag", "template": "rag"}]});
    file(dir, "tokenizer_config.json", &list.to_string());
    let several = ChatTemplate::from_dir(dir).unwrap().unwrap();
    assert_eq!(several.names(), ["default", "rag", "tool_use"]);
    assert_eq!(says(&several, &options), "plain");
    let tools = RenderOptions { tools: "[]".parse().ok(), ..RenderOptions::default() };
    assert_eq!(says(&several, &tools), "tools");
    let rag = RenderOptions { template: Some("rag".to_owned()), ..tools };
    assert_eq!(says(&several, &rag), "rag");
    let absent = RenderOptions { template: Some("absent".to_owned()), ..options.clone() };
    assert!(several.render(&[], &absent).is_err());

    file(dir, "chat_template.jinja", "file\n");
    file(dir, "additional_chat_templates/more.jinja", "more");
    let both = ChatTemplate::from_dir(dir).unwrap().unwrap();
    assert_eq!(says(&both, &options), "file");
    assert_eq!(both.names(), ["default", "more"]);
}

#[test]
fn variables_have_an_order() {
    let template = ChatTemplate::new("{{ bos_token }}|{{ tools }}|{{ x }}")
        .unwrap()
        .with_special_token("bos_token", "<s>");
    let mut options = RenderOptions::default();
    for name in ["tools", "x"] {
        options.extra.insert(name.to_owned(), "extra".into());
    }
    assert_eq!(says(&template, &options), "<s>|None|extra");
    options.extra.insert("bos_token".to_owned(), "<t>".into());
    assert_eq!(says(&template, &options), "<t>|None|extra");
}

const CHATML: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}\
                      {% if add_generation_prompt %}<assistant>{% endif %}";

fn talk(texts: &[&str]) -> Vec<Message> {
    let roles = [Role::User, Role::Assistant].into_iter().cycle();
    texts.iter().zip(roles).map(|(text, role)| Message::new(role, *text)).collect()
}

fn spoken(template: &str, messages: &[Message]) -> Result<Vec<String>, ModelError> {
    let template = ChatTemplate::new(template)?;
    let marked = template.render_marked(messages, &RenderOptions::default())?;
    Ok(marked.assistant.iter().map(|span| marked.text[span.clone()].to_owned()).collect())
}

#[test]
fn without_marks_the_assistant_wrote_what_prefixes_leave() {
    let messages = talk(&["é", "one", "ü", "two", "?"]);
    assert_eq!(spoken(CHATML, &messages).unwrap(), ["one</s>\n", "two</s>\n"]);
    assert_eq!(spoken(CHATML, &[]).unwrap(), [""; 0]);
}

#[test]
fn prefixes_that_are_none_are_refused_with_the_message() {
    // Earlier answers lose their reasoning, as in Qwen 3.
    let drops = "{% for m in messages %}{% if m.role == 'assistant' and not loop.last %}-{% else %}\
                 {{ m.content }}{% endif %}{% endfor %}";
    assert_eq!(spoken(drops, &talk(&["a", "b"])).unwrap(), ["b"]);
    let error = spoken(drops, &talk(&["a", "b", "c", "d"])).unwrap_err().to_string();
    assert!(error.contains("the first 2 of 4 messages"), "{error}");
}

#[test]
fn marks_are_counted_in_bytes_and_may_be_several() {
    let marks = "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}\
                 {% generation %}{{ m.content }}{% endgeneration %}{% endif %}{% endfor %}";
    assert_eq!(spoken(marks, &talk(&["é", "ö", "ü", "two"])).unwrap(), ["ö", "two"]);
}

#[test]
fn arguments_of_tool_calls_keep_their_order() {
    let json = r#"{"name": "f", "arguments": {"z": 1, "a": {"y": 2, "b": 3}}}"#;
    let mut message = Message::new(Role::Assistant, "");
    message.tool_calls = vec![serde_json::from_str(json).unwrap()];
    let template =
        ChatTemplate::new("{{ messages[0].tool_calls[0].function.arguments | tojson }}").unwrap();
    let found = template.render(&[message], &RenderOptions::default()).unwrap();
    assert_eq!(found, r#"{"z": 1, "a": {"y": 2, "b": 3}}"#);
}

#[test]
fn errors_name_the_template() {
    let sources = [("default", "x"), ("tool_use", "{{ raise_exception('no tools') }}")];
    let sources = sources.map(|(name, source)| (name.to_owned(), source.to_owned()));
    let several = ChatTemplate::from_sources(sources).unwrap();
    let tools = RenderOptions { tools: "[]".parse().ok(), ..RenderOptions::default() };
    let error = several.render(&[], &tools).unwrap_err().to_string();
    assert!(error.starts_with("chat template `tool_use`: "), "{error}");
    assert!(error.contains("no tools"), "{error}");
}
