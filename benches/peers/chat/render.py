"""Chat templates rendered by transformers, in the form that the test `golden_chat` reads.

    pip install transformers trl
    python benches/peers/chat/render.py OUT
    REFIRE_TEST_DATA=OUT cargo test --release --test golden_chat

Renders every template that comes with TRL over conversations of all shapes, and small templates
that each use some of what transformers' Jinja environment offers.
"""

import argparse
import datetime
import json
import pathlib
import re

import transformers.utils.chat_template_utils as utils
import trl

NOW = datetime.datetime(2025, 1, 2, 3, 4, 5)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def call(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather at a place, \"now\" <or> later.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Name of the place"},
                "days": {"type": "integer", "default": 1, "enum": [1, 2, 3]},
                "units": {"type": ["string", "null"]},
                "where": {"type": "object", "properties": {"x": {"type": "number"}}},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["place"],
        },
        "return": {"type": "string"},
    },
}
SUM = {
    "type": "function",
    "function": {
        "name": "sum",
        "description": "Adds numbers.",
        "parameters": {
            "type": "object",
            "properties": {"b": {"type": "number"}, "a": {"type": "number"}},
            "required": ["b", "a"],
        },
    },
}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def text(*parts):
    return [{"type": "text", "text": part} for part in parts]


CONVERSATIONS = {
    "question": {"messages": [user("How many legs has a spider?")]},
    "answer": {"messages": [user("Name a colour."), assistant("Red.")]},
    "system": {
        "messages": [
            {"role": "system", "content": "Be brief.\n\nAnswer in one word. "},
            user("Hi"),
            assistant("Hello"),
            user("Bye"),
            assistant("Goodbye"),
        ]
    },
    "developer": {
        "messages": [{"role": "developer", "content": "Be kind."}, user("Hm?"), assistant("Yes?")]
    },
    "unicode": {
        "messages": [
            user("\u00a0 na\u00efve \U0001f600 \u4f60\u597d\r\n\t{{ x }} {% if %} {# no #}  "),
            assistant("  \u00e9\u0301 \u200b <s></s> \"'\\ \n"),
        ]
    },
    "parts": {"messages": [user(text("One", "two")), assistant(text("three"))]},
    "reasoning": {
        "messages": [
            user("2 * 21?"),
            assistant("42", reasoning_content="2 * 20 + 2"),
            user("And 3 * 21?"),
            assistant("<think>\n60 + 3\n</think>\n\n63"),
        ]
    },
    "thinking": {
        "messages": [user("Why?"), assistant("Because.", thinking="Let me see.")],
        "extra": {"enable_thinking": True},
    },
    "no_thinking": {"messages": [user("Why?")], "extra": {"enable_thinking": False}},
    "call": {
        "messages": [
            {"role": "system", "content": "Use tools."},
            user("Weather in Oslo?"),
            assistant("", tool_calls=[call("weather", {"place": "Oslo", "days": 2}, id="abc123def")]),
            {"role": "tool", "tool_call_id": "abc123def", "name": "weather", "content": "{\"t\": -3.5}"},
            assistant("Cold: -3.5."),
        ],
        "tools": [WEATHER, SUM],
    },
    "calls": {
        "messages": [
            user("Both, please."),
            assistant(
                "Let me look.",
                tool_calls=[
                    call("sum", {"b": 1.5, "a": [1, True, None, "\u00fc"]}, id="call00001"),
                    call("weather", {"place": "Z\u00fcrich", "where": {"x": 1e-7}}, id="call00002"),
                ],
            ),
            {"role": "tool", "tool_call_id": "call00001", "name": "sum", "content": "2.5"},
            {"role": "tool", "tool_call_id": "call00002", "name": "weather", "content": "Rain"},
            assistant("2.5 and rain.", reasoning_content="Both are there."),
            user("Thanks"),
            assistant("Welcome."),
        ],
        "tools": [SUM, WEATHER],
    },
    "no_content": {
        "messages": [
            user("Go"),
            assistant(None, tool_calls=[call("sum", {"b": 1, "a": 2})]),
            {"role": "tool", "name": "sum", "content": "3"},
        ],
        "tools": [SUM],
    },
    "text_arguments": {
        "messages": [user("Go"), assistant("", tool_calls=[call("sum", "{\"b\": 1}")])],
        "tools": [SUM],
    },
    "tools_only": {"messages": [user("Go")], "tools": [WEATHER]},
    "wrong_order": {"messages": [assistant("First!"), assistant("Second."), user("Hm.")]},
    "unknown_role": {"messages": [{"role": "narrator", "content": "Once"}, user("upon")]},
    "nothing": {"messages": []},
    "empty": {"messages": [user(""), assistant("")]},
}

# Each renders with a few messages in scope.
SNIPPETS = {
    "separators": "{{ messages | tojson(separators=(',', ':')) }}|{{ messages | tojson(indent=2, sort_keys=true) }}",
    "ascii": "{{ messages | tojson(ensure_ascii=true) }}{{ tools | tojson }}",
    "now": "{{ strftime_now('%Y-%m-%d %H:%M:%S %j %A %a %B %b %d %-d %e %p %I %y %%') }}",
    "loops": "{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }}{{ loop.revindex0 }}{{ loop.previtem.role if loop.previtem is defined }}{{ loop.nextitem.role if loop.nextitem is defined }}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }} {% if loop.index > 3 %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "filtered": "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.role }}{% endfor %}{% for k, v in {'b': 1, 'a': 2}.items() recursive %}{{ k }}{{ v }}{{ loop.depth }}{% endfor %}",
    "slices": "{{ messages[1:] | length }}{{ messages[::-1] | map(attribute='role') | list }}{{ 'abcdef'[1:4] }}{{ 'abcdef'[::-1] }}{{ 'abcdef'[-2:] }}{{ [1,2,3,4][::2] }}{{ [1,2,3][5:] }}{{ (1,2,3)[1:] }}",
    "namespaces": "{% set ns = namespace(found=false, n=0, seen=[]) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.role == 'assistant' %}{% set ns.found = true %}{% endif %}{% set ns.seen = ns.seen + [m.role] %}{% endfor %}{{ ns.n }}{{ ns.found }}{{ ns.seen }}",
    "macros": "{% macro show(m, sep='-', end=none) %}{{ m.role }}{{ sep }}{{ end }}{{ caller() if caller }}{% endmacro %}{% for m in messages %}{{ show(m) }}{{ show(m, '+') }}{{ show(sep='*', m=m, end=1) }}{% call show(m) %}[{{ m.role }}]{% endcall %}{% endfor %}",
    "recursion": "{% macro walk(x) %}{% if x is mapping %}{% for k in x %}{{ k }}:{{ walk(x[k]) }};{% endfor %}{% elif x is iterable and x is not string %}{% for i in x %}{{ walk(i) }},{% endfor %}{% else %}{{ x }}{% endif %}{% endmacro %}{{ walk(tools) }}",
    "strings": "{{ ' a-b '.strip().split('-') }}{{ 'a,b,,c'.split(',', 2) }}{{ ' x  y '.split() }}{{ 'Ab'.upper() }}{{ 'Ab'.lower() }}{{ 'ab cd'.title() }}{{ 'ab'.capitalize() }}{{ 'aXbX'.replace('X', 'y') }}{{ 'aXbX'.replace('X', 'y', 1) }}{{ 'abc'.find('c') }}{{ 'abc'.rfind('z') }}{{ 'abc'.index('b') }}{{ 'aba'.count('a') }}{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.endswith('bc') }}{{ '-'.join(['a', 'b']) }}{{ 'a\nb'.splitlines() }}{{ '7'.zfill(3) }}|{{ 'a'.center(5) }}|{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '.') }}{{ 'ab1'.isalnum() }}{{ '12'.isdigit() }}{{ 'ab'.isalpha() }}{{ ' '.isspace() }}{{ 'ab'.islower() }}{{ 'AB'.isupper() }}{{ '{} {:>4}'.format('a', 'b') }}{{ 'a' * 3 }}{{ 'aB'.swapcase() }}{{ '-7'.zfill(4) }}{{ 'aba'.rindex('a') }}{{ 'ab'.center(5, '*') }}{{ 'ab'.center(4, '*') }}{{ 'éa'.find('a') }}{{ 'a.b.c'.rsplit('.', 1) }}{{ 'a.b'.partition('.') }}{{ 'x' in 'xyz' }}",
    "lists": "{{ [1, 2] + [3] }}{{ [3, 1, 2] | sort }}{{ [1, 2, 2].count(2) }}{{ [1, 2].index(2) }}{{ [1, [2]] }}{{ [1, 2] | first }}{{ [1, 2] | last }}{{ [1, 2, 3] | sum }}{{ [1, 1, 2] | unique | list }}{{ [1, 2] | join('-') }}{{ [1, 2, 3] | batch(2) | list }}{{ [1, 2, 3] | reverse | list }}{{ [3, 1] | min }}{{ [3, 1] | max }}{{ [0, 1, ''] | select | list }}{{ [0, 1] | reject | list }}{{ range(3) | list }}{{ range(1, 6, 2) | list }}{{ [1, 2] == [1, 2] }}{{ 1 in [1] }}{{ [] or 'none' }}{{ [1] and 'some' }}",
    "not_yet": "{{ '%s=%d' % ('a', 3) }}{{ [][::-1] }}{{ 'abcdef' | truncate(5) }}{% for x in none %}{% endfor %}",
    "dicts": "{{ {'b': 1, 'a': 2} | dictsort }}{{ {'a': 1}.get('b') }}{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}.keys() | list }}{{ {'a': 1}.values() | list }}{{ {'a': 1}.items() | list }}{{ {'a': 1} | items | list }}{{ 'a' in {'a': 1} }}{{ {'a': 1}['a'] }}{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ {'a': 1} | length }}{{ {'a': 1}.b is defined }}{{ {'a': 1} == {'a': 1.0} }}",
    "tests": "{{ 1 is number }}{{ 1.0 is float }}{{ 1 is integer }}{{ true is boolean }}{{ none is none }}{{ x is defined }}{{ x is undefined }}{{ 'a' is string }}{{ {} is mapping }}{{ [] is sequence }}{{ 'a' is sequence }}{{ {} is iterable }}{{ 2 is even }}{{ 3 is odd }}{{ 4 is divisibleby(2) }}{{ 1 is sameas 1 }}{{ 'a' is eq 'a' }}{{ 1 is in [1] }}{{ 'a' is lower }}{{ true is true }}{{ false is false }}{{ 1 is not none }}{{ 'x' is callable }}",
    "numbers": "{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1.5 + 1 }} {{ 6 / 2 }} {{ 3.7 | int }} {{ '12' | int + 1 }} {{ 'x' | int }} {{ '1.5' | float }} {{ 2.567 | round(1) }} {{ 2.5 | round }} {{ 3 | string + '!' }} {{ -3 | abs }} {{ 1e20 }} {{ 123456789012345678901234567890 }} {{ 0.1 + 0.2 }} {{ 1 == 1.0 }} {{ 1 < 2 < 3 }} {{ true + 1 }}",
    "logic": "{{ 'a' if messages else 'b' }}{{ 'a' if x }}{{ x or 'd' }}{{ x | default('d') }}{{ '' | default('d', true) }}{{ none | default('d') }}{{ not x }}{{ (1, 2) }}{{ (1,) }}{{ 1 if false else 2 if false else 3 }}{{ 'a' ~ 1 ~ none ~ true }}",
    "spaces": "  {% if true %}\n    a\n  {% endif %}\n{{ 'b' }}\n\n  {%- if true -%}  c  {%- endif -%}  \n{# gone #}\n d {#- gone -#} e\n{% set x = 1 %}\n{% raw %}{{ x }}{% endraw %}\n\t{% if x %}f{% endif %} \n{%+ if x %}g{% endif +%}\nh\n",
    "blocks": "{% set x %}a{{ messages | length }}b{% endset %}{{ x | upper }}{% filter upper %}q{{ x }}{% endfilter %}{% with y = 3, z = 4 %}{{ y + z }}{% endwith %}{% if y is defined %}leak{% endif %}{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "filters": "{{ 'a b' | title }}{{ 'ab' | capitalize }}{{ 'a' | center(5) }}|{{ 'abc' | replace('b', 'x') }}{{ '  a ' | trim }}|{{ 'a\nb' | indent(2) }}{{ 'a\nb' | indent(2, true) }}{{ 'one two' | wordcount }}{{ '<a>' | escape }}{{ '<a>' | e }}{{ '<a>' | safe }}{{ 'abc' | length }}{{ 'abc' | list }}{{ '%s' | format('x') }}{{ messages | map(attribute='role') | unique | join(',') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | list }}{{ messages | groupby('role') | map('first') | list }}{{ ['a', 'B'] | map('upper') | list }}{{ 'abc' | first }}{{ 'abc' | reverse }}",
    "pretty": "{{ messages[0] }}{{ [none, true, 1.0, 'it\\'s', \"q\"] }}{{ {'a': {'b': [1]} } }}{{ messages | string | length }}{{ ('a', 'b') | string }}",
    "raises": "{% if messages | length > 2 %}{{ raise_exception('too many: ' ~ (messages | length)) }}{% endif %}ok",
    "missing": "{{ messages[0].nothing }}{{ messages[0]['nothing'] }}|{{ nothing }}|{{ messages[99] }}|",
    "missing_deep": "{{ messages[0].nothing.more }}",
    "missing_call": "{{ messages[0].nothing() }}",
    "generation": "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}",
    "generation_spaces": "{% for m in messages %}\n  <{{ m.role }}>\n  {%- if m.role == 'assistant' %}\n    {%- generation %}\n      {{ m.content }}{% set kept = 1 %}\n    {% endgeneration -%}\n  {% endif %}\n{% endfor %}{{ kept is defined }}",
}


def one_by_one(snippets):
    """Each expression of the snippets that hold nothing else as a template of its own."""
    for name, source in snippets.items():
        parts = re.findall(r"\{\{.*?\}\}(?!\})", source)
        alone = "{%" not in source and "\n" not in source
        parts = parts if alone and len(parts) > 3 else [source]
        for index, part in enumerate(parts):
            yield f"{name}_{index}", part


def conversations_for(snippets):
    names = CONVERSATIONS if not snippets else ["system", "call", "unicode", "nothing"]
    return list(names)


def spans(template, indices):
    if not re.search(r"\{\%-?\s*generation\s*-?\%\}", template):
        return {}
    return {"assistant_char_spans": [list(span) for span in indices]}


def render(template, conversation, prompt, tokens):
    extra = conversation.get("extra", {})
    row = {"add_generation_prompt": prompt, "extra": extra}
    try:
        compiled = utils._compile_jinja_template(template)
        rendered, indices = utils._render_with_assistant_indices(
            compiled,
            conversation["messages"],
            conversation.get("tools"),
            None,
            prompt,
            **{**tokens, **extra},
        )
    except Exception as error:  # what a template or Python raises is the result
        return {**row, "error": f"{type(error).__name__}: {error}"}
    return {**row, "rendered": rendered, **spans(template, indices)}


def renders(template, tokens, names):
    for name in names:
        for prompt in [False, True]:
            yield {"conversation": name, **render(template, CONVERSATIONS[name], prompt, tokens)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    utils.datetime = Clock
    folder = pathlib.Path(trl.__file__).parent / "chat_templates"
    sources = {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja"))}
    templates = []
    for snippets, sources in [(False, sources), (True, dict(one_by_one(SNIPPETS)))]:
        for name, source in sources.items():
            tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
            rows = list(renders(source, tokens, conversations_for(snippets)))
            templates.append(
                {"name": name, "template": source, "special_tokens": tokens, "renders": rows}
            )
    out = args.out / "golden" / "chat"
    out.mkdir(parents=True, exist_ok=True)
    data = {"conversations": CONVERSATIONS, "templates": templates}
    (out / "renders.json").write_text(json.dumps(data, ensure_ascii=False))
    rows = [row for template in templates for row in template["renders"]]
    raised = sum("error" in row for row in rows)
    print(f"{len(templates)} templates, {len(rows)} renders, {raised} of them errors")


if __name__ == "__main__":
    main()
