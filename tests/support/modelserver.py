#!/usr/bin/env python3
"""A scripted model API server on loopback, for driving real coding-agent CLIs without a model.

    python3 modelserver.py --script S.json --port 0 --log L.jsonl

prints its port on the first line of stdout and serves until killed, or, with --until-eof, until its
standard input ends: whoever started it may die in any way and it still goes away. Python standard
library only.

It speaks (streaming and not):
  Anthropic   POST /v1/messages, /v1/messages/count_tokens
  OpenAI      POST /v1/responses, /v1/chat/completions, GET /v1/models
  Gemini      POST /v1beta/models/M:streamGenerateContent, :generateContent, :countTokens

Script (JSON)
-------------
  {
    "turns":  [TURN, ...],                       default sequence
    "routes": [{"when": {...}, "turns": [...]}], optional; first whose `when` holds is used
    "cursor": "script" | "conversation",         one position per route, or one per route and
                                                 conversation (default "script")
    "on_end": "final" | "repeat" | "error",      what follows the last turn (default "final")
    "aux_text": "..."                            answer to side requests (default "ok")
  }

`when` keys (all given must hold): "prompt" (regex searched in the text of all user messages),
"says" (plain text that stands somewhere in it), "last" (regex searched in the last user message), "system" (regex in the system text),
"provider" ("anthropic" | "responses" | "chat" | "gemini"), "model" (regex), "path" (regex),
"header" ({"name": regex}).

A request is a *side request* (title, summary, classifier, topic) when it offers no tool that could
play a part in a script; it gets `aux_text` (or, where it names a JSON schema, some JSON that fits)
and does not move the cursor. A route with `"aux": true`
in its `when` is matched against side requests instead.

TURN is one of
  {"final": "text"}                        text, end of turn; an object or a list is sent as JSON, and as
                                           a call where the client wants it so (Claude Code: the tool
                                           `StructuredOutput`, which ends the turn as well)
  {"say": "text", "do": [ACTION, ...]}     optional text and one or more tool calls
  {"fault": FAULT, "times": N}             answer N requests (default 1) with a fault
plus optional "usage": {"input": n, "output": n, "cached": n}, "thinking": "text",
"delay_ms": n (before the answer), "chunk_ms": n (between stream chunks), "stop": "length",
"if_offered": true (the turn is passed over when the request offers no tool that can play it).

ACTION (mapped to whatever tool of that sort the request offers)
  {"write": {"path": p, "content": c}}
  {"edit":  {"path": p, "old": a, "new": b}}
  {"read":  {"path": p}}
  {"shell": {"command": c, "timeout_ms": n}}
  {"tool":  {"name": regex, "input": {...}}}     by name, input sent as it is
Strings may use {{cwd}} (working directory the client announced), {{prompt}} (last user text).

FAULT: {"kind": K, "status": n, "retry_after": s, "message": m, "seconds": s, "after": n}
  rate_limit (429) | quota (429, not worth retrying) | overloaded (529/503) | server (500) |
  auth (401) | forbidden (403) | bad_request (400) | context (400, prompt too long) |
  not_found (404) | hang (accept, send nothing) | stall (start the stream, then nothing) |
  drop (close inside the stream after `after` chunks) | reset (close before any answer) |
  malformed (stream that is not JSON) | stream_error (error event inside a 200 stream) |
  empty (well-formed answer without content) | bad_tool (call of a tool that does not exist) |
  bad_args (tool call whose arguments are not JSON)

Log: one JSON object a line, see `Handler.note`. With --full, request bodies go in as well.
"""
import argparse
import gzip
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# ---------------------------------------------------------------- tool mapping

TOOL_NAMES = {
    "write": ["write", "write_file", "create_file", "writefile", "create", "edit_file"],
    "edit": ["edit", "replace", "edit_file", "str_replace", "multiedit"],
    "read": ["read", "read_file", "view", "readfile", "read_text_file"],
    "shell": ["bash", "run_shell_command", "exec_command", "shell_command", "shell", "local_shell",
              "execute", "run_command", "run_terminal_cmd", "execute_command", "developer__shell"],
}
PARAM_NAMES = {
    "path": ["file_path", "filepath", "filePath", "path", "absolute_path", "file", "filename",
             "target_file"],
    "content": ["content", "contents", "file_text", "text", "code_edit"],
    "old": ["old_string", "oldString", "old_str", "old_text", "oldText", "old"],
    "new": ["new_string", "newString", "new_str", "new_text", "newText", "new"],
    "command": ["command", "cmd", "script", "commandLine"],
    "timeout_ms": ["timeout_ms", "timeout"],
}


# The tool by which Claude Code takes an answer that has a form (--json-schema).
STRUCTURED = "StructuredOutput"


class Tool:
    """A tool that the client offers: its name as the client wants it called, its JSON schema."""

    def __init__(self, name, schema, kind="function", namespace=None):
        self.name, self.schema, self.kind, self.namespace = name, schema or {}, kind, namespace

    def props(self):
        p = self.schema.get("properties")
        return p if isinstance(p, dict) else {}

    def param(self, logical):
        for name in PARAM_NAMES[logical]:
            if name in self.props():
                return name
        return None


def find_tool(tools, logical):
    by_name = {t.name.lower(): t for t in reversed(tools)}
    for name in TOOL_NAMES[logical]:
        if name in by_name:
            return by_name[name]
    for t in tools:  # an MCP-style prefix, e.g. developer__shell
        if re.split(r"__|\.|/", t.name.lower())[-1] in TOOL_NAMES[logical]:
            return t
    return None


def sh_quote(s):
    return "'" + s.replace("'", "'\\''") + "'"


def instance(schema, name="x"):
    """Some value that fits a JSON schema."""
    t = schema.get("type")
    t = str(t[0] if isinstance(t, list) else t or "object").lower()
    if schema.get("enum"):
        return schema["enum"][0]
    if t == "object":
        props = schema.get("properties") or {}
        return {k: instance(props.get(k) or {}, k) for k in schema.get("required") or props}
    if t == "array":
        return []
    return default_for(schema, name)


def default_for(schema, name):
    t = schema.get("type")
    if isinstance(t, list):
        t = t[0]
    t = (t or "string").lower()
    if schema.get("enum"):
        return schema["enum"][0]
    return {"string": name, "boolean": False, "integer": 1, "number": 1, "array": [],
            "object": {}}.get(t, name)


def fill(tool, given):
    """Arguments for `tool`: the given logical values under its own names, other required ones filled."""
    out = {}
    for logical, value in given.items():
        name = tool.param(logical)
        if name is None:
            if logical == "timeout_ms":
                continue
            name = PARAM_NAMES[logical][0]
        spec = tool.props().get(name, {})
        if logical == "command" and str(spec.get("type", "")).lower() == "array":
            value = ["bash", "-lc", value]
        out[name] = value
    for name in tool.schema.get("required") or []:
        if name not in out:
            out[name] = default_for(tool.props().get(name, {}), name)
    return out


class Unplayable(Exception):
    pass


def plan_call(action, tools, cwd):
    """(tool, arguments) for a logical action; arguments are a dict, or a str for free-form tools."""
    (kind, spec), = ((k, v) for k, v in action.items() if k in ("write", "edit", "read", "shell", "tool"))
    if kind == "tool":
        for t in tools:
            if re.fullmatch(spec["name"], t.name):
                return t, spec.get("input", {})
        raise Unplayable("no tool matches %r among %s" % (spec["name"], [t.name for t in tools]))

    def absolute(p):
        return p if p.startswith("/") or not cwd else cwd.rstrip("/") + "/" + p

    shell = find_tool(tools, "shell")
    if kind == "shell":
        if not shell:
            code = next((t for t in tools if t.kind == "custom" and t.name == "exec"), None)
            if code:  # codex "code mode": JavaScript that calls tools
                return code, "const r = await tools.exec_command({cmd: %s}); text(r.output ?? JSON.stringify(r));" % \
                    json.dumps(spec["command"])
            raise Unplayable("no shell tool among %s" % [t.name for t in tools])
        given = {"command": spec["command"]}
        if "timeout_ms" in spec and shell.param("timeout_ms"):
            given["timeout_ms"] = spec["timeout_ms"]
        return shell, fill(shell, given)

    tool = find_tool(tools, kind)
    patch = next((t for t in tools if t.name == "apply_patch"), None)
    if tool is None and patch is not None and kind in ("write", "edit"):
        if kind == "write":
            body = "".join("+%s\n" % line for line in spec["content"].splitlines())
            text = "*** Begin Patch\n*** Add File: %s\n%s*** End Patch\n" % (spec["path"], body)
        else:
            old = "".join("-%s\n" % line for line in spec["old"].splitlines())
            new = "".join("+%s\n" % line for line in spec["new"].splitlines())
            text = "*** Begin Patch\n*** Update File: %s\n@@\n%s%s*** End Patch\n" % (spec["path"], old, new)
        if patch.kind == "custom":
            return patch, text
        name = next((n for n in ("input", "patch", "patchText") if n in patch.props()),
                    next(iter(patch.props()), "input"))
        return patch, {name: text}
    if tool is None:  # fall back on the shell
        if kind == "write":
            cmd = "mkdir -p \"$(dirname %s)\" && printf %%s %s > %s" % (
                sh_quote(spec["path"]), sh_quote(spec["content"]), sh_quote(spec["path"]))
        elif kind == "read":
            cmd = "cat %s" % sh_quote(spec["path"])
        else:
            cmd = "python3 - <<'E'\np=%r\ns=open(p).read()\nopen(p,'w').write(s.replace(%r,%r,1))\nE" % (
                spec["path"], spec["old"], spec["new"])
        return plan_call({"shell": {"command": cmd}}, tools, cwd)
    given = {"path": absolute(spec["path"])}
    if kind == "write":
        given["content"] = spec["content"]
    if kind == "edit":
        given.update(old=spec["old"], new=spec["new"])
    return tool, fill(tool, given)


# ---------------------------------------------------------------- reading requests

def text_of(content):
    """Plain text of a message content in any of the dialects."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    out = []
    for part in content:
        if isinstance(part, str):
            out.append(part)
        elif isinstance(part, dict):
            if isinstance(part.get("text"), str):
                out.append(part["text"])
    return "\n".join(out)


class Request:
    """What a request says, whichever dialect it is in."""

    def __init__(self, provider, body, path, headers):
        self.provider, self.body, self.path, self.headers = provider, body, path, headers
        self.model = body.get("model") or ""
        self.stream = bool(body.get("stream"))
        self.system, self.users, self.results, self.tools = "", [], [], []
        self.n_messages = 0
        getattr(self, "read_" + provider)()
        self.cwd = self.find_cwd()

    def read_anthropic(self):
        b = self.body
        self.system = text_of(b.get("system"))
        self.n_messages = len(b.get("messages") or [])
        for m in b.get("messages") or []:
            c = m.get("content")
            if m.get("role") == "user":
                t = text_of(c)
                if t:
                    self.users.append(t)
                for part in c if isinstance(c, list) else []:
                    if part.get("type") == "tool_result":
                        self.results.append({"id": part.get("tool_use_id"), "error": bool(part.get("is_error")),
                                             "text": text_of(part.get("content"))})
            elif m.get("role") == "system":
                self.system += "\n" + text_of(c)
        for t in b.get("tools") or []:
            if "input_schema" in t:
                self.tools.append(Tool(t["name"], t["input_schema"]))

    def read_responses(self):
        b = self.body
        self.system = b.get("instructions") or ""
        items = b.get("input") or []
        if isinstance(items, str):
            items = [{"type": "message", "role": "user", "content": items}]
        self.n_messages = len(items)
        for it in items:
            kind = it.get("type", "message")
            if kind == "message":
                t = text_of(it.get("content"))
                if it.get("role") == "user":
                    self.users.append(t)
                elif it.get("role") in ("developer", "system"):
                    self.system += "\n" + t
            elif kind.endswith("_output"):
                o = it.get("output")
                self.results.append({"id": it.get("call_id"), "error": False,
                                     "text": o if isinstance(o, str) else text_of(o) or json.dumps(o)})

        def add(ts, ns=None):
            for t in ts or []:
                kind = t.get("type")
                if kind == "function":
                    self.tools.append(Tool(t["name"], t.get("parameters"), "function", ns))
                elif kind == "custom":
                    self.tools.append(Tool(t["name"], {}, "custom", ns))
                elif kind == "namespace":
                    add(t.get("tools"), t.get("name"))
                elif kind == "local_shell":
                    self.tools.append(Tool("local_shell", {}, "local_shell"))
        add(b.get("tools"))
        for it in items:  # some clients announce tools as an input item
            if it.get("type") == "additional_tools":
                add(it.get("tools"))

    def read_chat(self):
        b = self.body
        self.n_messages = len(b.get("messages") or [])
        for m in b.get("messages") or []:
            t = text_of(m.get("content"))
            role = m.get("role")
            if role in ("system", "developer"):
                self.system += t + "\n"
            elif role == "user":
                self.users.append(t)
            elif role == "tool":
                self.results.append({"id": m.get("tool_call_id"), "error": False, "text": t})
        for t in b.get("tools") or []:
            f = t.get("function") or {}
            if f.get("name"):
                self.tools.append(Tool(f["name"], f.get("parameters")))

    def read_gemini(self):
        b = self.body
        m = re.search(r"/models/([^:/]+):(\w+)", self.path)
        self.model = m.group(1) if m else ""
        self.stream = bool(m) and m.group(2).startswith("stream")
        si = b.get("systemInstruction") or b.get("system_instruction") or {}
        self.system = text_of(si.get("parts")) if isinstance(si, dict) else str(si)
        self.n_messages = len(b.get("contents") or [])
        for c in b.get("contents") or []:
            if c.get("role", "user") == "user":
                t = text_of(c.get("parts"))
                if t:
                    self.users.append(t)
                for p in c.get("parts") or []:
                    r = p.get("functionResponse")
                    if r:
                        resp = r.get("response") or {}
                        self.results.append({"id": r.get("id") or r.get("name"), "error": "error" in resp,
                                             "text": str(resp.get("output", resp.get("error", resp)))})
        for group in b.get("tools") or []:
            for f in group.get("functionDeclarations") or []:
                self.tools.append(Tool(f["name"], f.get("parametersJsonSchema") or f.get("parameters")))

    def find_cwd(self):
        hay = "\n".join([self.system] + self.users)
        for pat in (r"<cwd>([^<\n]+)</cwd>",
                    r"[Ww]orking directory:\s*`?(/[^\s`<]+)",
                    r"[Ww]orking directory is:?\s*`?(/[^\s`<]+)",
                    r"working in the directory:\s*`?(/[^\s`<]+)",
                    r"\*\*Workspace Directories:\*\*\s*\n?\s*-\s*`?(/[^\s`<]+)",
                    r"following directories:\s*\n?\s*-\s*`?(/[^\s`<]+)",
                    r"[Cc]urrent directory:\s*`?(/[^\s`<]+)"):
            m = re.search(pat, hay)
            if m:
                return m.group(1).rstrip(".,")
        return ""

    def is_aux(self):
        return not any(find_tool(self.tools, k) for k in ("write", "shell", "edit")) and not any(
            t.kind == "custom" for t in self.tools) and not find_tool(self.tools, "read")

    def schema(self):
        """The JSON schema that the answer is to have, if the request names one ({} if any JSON will do)."""
        b = self.body
        g = b.get("generationConfig") or {}
        for holder in (g, (b.get("response_format") or {}).get("json_schema") or {},
                       (b.get("text") or {}).get("format") or {}, b.get("output_format") or {},
                       (b.get("output_config") or {}).get("format") or {}):
            for key in ("responseJsonSchema", "responseSchema", "schema"):
                if isinstance(holder.get(key), dict):
                    return holder[key]
        return {} if g.get("responseMimeType") == "application/json" else None

    def conversation(self):
        for h in ("x-claude-code-session-id", "session_id", "session-id", "x-session-id",
                  "x-opencode-session", "x-session-affinity", "conversation_id"):
            if self.headers.get(h):
                return self.headers[h]
        first = self.users[0] if self.users else ""
        return hashlib.sha1(first.encode()).hexdigest()[:12]


# ---------------------------------------------------------------- the script

class Script:
    def __init__(self, data):
        if isinstance(data, list):
            data = {"turns": data}
        self.data = data
        self.routes = list(data.get("routes") or [])
        if data.get("turns"):
            self.routes.append({"name": "default", "when": {}, "turns": data["turns"]})
        self.on_end = data.get("on_end", "final")
        self.per_conv = data.get("cursor") == "conversation"
        self.aux_text = data.get("aux_text", "ok")
        self.pos, self.lock = {}, threading.Lock()

    @staticmethod
    def holds(when, req, aux):
        if bool(when.get("aux")) != aux:
            return False
        if "provider" in when and when["provider"] != req.provider:
            return False
        if when.get("says", "") not in "\n".join(req.users):
            return False
        for key, hay in (("prompt", "\n".join(req.users)), ("last", req.users[-1] if req.users else ""),
                         ("system", req.system), ("model", req.model), ("path", req.path)):
            if key in when and not re.search(when[key], hay, re.S):
                return False
        return all(re.search(v, req.headers.get(k, "")) for k, v in (when.get("header") or {}).items())

    def next(self, req):
        """(route name, turn number or None, turn)"""
        aux = req.is_aux()
        for i, route in enumerate(self.routes):
            if not self.holds(route.get("when") or {}, req, aux):
                continue
            name = route.get("name", "route%d" % i)
            key = (i, req.conversation() if self.per_conv else "")
            with self.lock:
                slots = [(n, t) for n, t in enumerate(route["turns"]) for _ in range(int(t.get("times", 1)))]
                at = self.pos.get(key, 0)
                while at < len(slots) and slots[at][1].get("if_offered") and not playable(slots[at][1], req):
                    at += 1
                self.pos[key] = at + 1
            if at < len(slots):
                return name, slots[at][0], slots[at][1]
            end = route.get("on_end", self.on_end)
            if end == "repeat" and slots:
                return name, slots[-1][0], slots[-1][1]
            if end == "error":
                return name, None, {"fault": {"kind": "bad_request", "message": "the script has ended"}}
            return name, None, {"final": "Done."}
        if aux:
            schema = req.schema()
            return "aux", None, {"final": self.aux_text if schema is None else json.dumps(instance(schema))}
        return "none", None, {"final": "No route of the script fits this request."}


def playable(turn, req):
    """Whether the request offers a tool for every action of a turn."""
    try:
        for action in turn.get("do") or []:
            plan_call(action, req.tools, req.cwd)
        return True
    except Unplayable:
        return False


def subst(value, req):
    if isinstance(value, str):
        return value.replace("{{cwd}}", req.cwd).replace("{{prompt}}", req.users[-1] if req.users else "")
    if isinstance(value, list):
        return [subst(v, req) for v in value]
    if isinstance(value, dict):
        return {k: subst(v, req) for k, v in value.items()}
    return value


# ---------------------------------------------------------------- answers, one class a dialect

class Reply:
    """text, thinking, calls [(id, tool, arguments)], usage and stop of one answer."""

    def __init__(self, seq):
        self.seq, self.text, self.thinking, self.calls = seq, "", "", []
        self.usage = {"input": 1000, "output": 50, "cached": 0}
        self.stop = None
        self.raw_args = None


def pieces(text, n=3):
    if not text:
        return []
    size = max(1, -(-len(text) // n))
    return [text[i:i + size] for i in range(0, len(text), size)]


def sse(data, event=None):
    return (("event: %s\n" % event) if event else "") + "data: %s\n\n" % (
        data if isinstance(data, str) else json.dumps(data))


class Anthropic:
    ctype = "text/event-stream"

    @staticmethod
    def usage(r):
        return {"input_tokens": r.usage["input"], "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": r.usage["cached"], "output_tokens": r.usage["output"],
                "service_tier": "standard"}

    @staticmethod
    def stop(r):
        return {"length": "max_tokens"}.get(r.stop) or ("tool_use" if r.calls else "end_turn")

    @classmethod
    def blocks(cls, r):
        out = []
        if r.thinking:
            out.append({"type": "thinking", "thinking": r.thinking, "signature": "c2ln"})
        if r.text:
            out.append({"type": "text", "text": r.text})
        for cid, tool, args in r.calls:
            out.append({"type": "tool_use", "id": cid, "name": tool, "input": args})
        return out

    @classmethod
    def whole(cls, req, r):
        return {"id": "msg_%06d" % r.seq, "type": "message", "role": "assistant", "model": req.model,
                "content": cls.blocks(r), "stop_reason": cls.stop(r), "stop_sequence": None,
                "usage": cls.usage(r)}

    @classmethod
    def chunks(cls, req, r):
        msg = cls.whole(req, r)
        msg.update(content=[], stop_reason=None)
        msg["usage"] = dict(msg["usage"], output_tokens=1)
        yield sse({"type": "message_start", "message": msg}, "message_start")
        for i, b in enumerate(cls.blocks(r)):
            def ev(name, **kw):
                return sse(dict({"type": name, "index": i}, **kw), name)
            if b["type"] == "thinking":
                yield ev("content_block_start", content_block={"type": "thinking", "thinking": "", "signature": ""})
                for p in pieces(b["thinking"]):
                    yield ev("content_block_delta", delta={"type": "thinking_delta", "thinking": p})
                yield ev("content_block_delta", delta={"type": "signature_delta", "signature": b["signature"]})
            elif b["type"] == "text":
                yield ev("content_block_start", content_block={"type": "text", "text": ""})
                for p in pieces(b["text"]):
                    yield ev("content_block_delta", delta={"type": "text_delta", "text": p})
            else:
                yield ev("content_block_start", content_block=dict(b, input={}))
                for p in pieces(r.raw_args or json.dumps(b["input"])):
                    yield ev("content_block_delta", delta={"type": "input_json_delta", "partial_json": p})
            yield ev("content_block_stop")
        yield sse({"type": "message_delta", "delta": {"stop_reason": cls.stop(r), "stop_sequence": None},
                   "usage": {"output_tokens": r.usage["output"]}}, "message_delta")
        yield sse({"type": "message_stop"}, "message_stop")

    ERR = {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error", 503: "overloaded_error",
           401: "authentication_error", 403: "permission_error", 400: "invalid_request_error",
           404: "not_found_error"}
    OVERLOADED = 529

    @classmethod
    def error(cls, status, kind, message):
        return {"type": "error", "error": {"type": cls.ERR.get(status, "api_error"), "message": message},
                "request_id": "req_scripted"}

    @classmethod
    def stream_error(cls, message):
        yield sse(cls.error(529, "overloaded", message), "error")

    MESSAGES = {"auth": "invalid x-api-key", "overloaded": "Overloaded",
                "quota": "Your credit balance is too low to access the Anthropic API. Please go to Plans & "
                         "Billing to upgrade or purchase credits.",
                "context": "prompt is too long: 250000 tokens > 200000 maximum"}
    QUOTA_STATUS = 400


class Responses:
    @staticmethod
    def item(r, i, cid, tool, args, done=True):
        t = r.tools.get(cid)
        extra = {"namespace": t.namespace} if t is not None and t.namespace else {}
        if t is not None and t.kind == "custom":
            return dict({"type": "custom_tool_call", "id": "ctc_%06d_%d" % (r.seq, i), "call_id": cid,
                         "name": tool, "input": args if done else "", "status": "completed"}, **extra)
        if t is not None and t.kind == "local_shell":
            return {"type": "local_shell_call", "id": "lsc_%06d_%d" % (r.seq, i), "call_id": cid,
                    "status": "completed", "action": {"type": "exec", "command": args.get("command"), "env": {}}}
        text = r.raw_args or (args if isinstance(args, str) else json.dumps(args))
        return dict({"type": "function_call", "id": "fc_%06d_%d" % (r.seq, i), "call_id": cid, "name": tool,
                     "arguments": text if done else "", "status": "completed" if done else "in_progress"}, **extra)

    @classmethod
    def items(cls, r):
        out = []
        if r.thinking:
            out.append({"type": "reasoning", "id": "rs_%06d" % r.seq, "encrypted_content": "c2ln",
                        "summary": [{"type": "summary_text", "text": r.thinking}]})
        if r.text:
            out.append({"type": "message", "id": "msg_%06d" % r.seq, "role": "assistant", "status": "completed",
                        "content": [{"type": "output_text", "text": r.text, "annotations": []}]})
        for i, (cid, tool, args) in enumerate(r.calls):
            out.append(cls.item(r, i, cid, tool, args))
        return out

    @classmethod
    def whole(cls, req, r, status="completed"):
        u = r.usage
        out = {"id": "resp_%06d" % r.seq, "object": "response", "created_at": int(time.time()), "status": status,
               "model": req.model, "output": cls.items(r), "parallel_tool_calls": True, "error": None,
               "incomplete_details": None, "metadata": {},
               "usage": {"input_tokens": u["input"], "input_tokens_details": {"cached_tokens": u["cached"]},
                         "output_tokens": u["output"], "output_tokens_details": {"reasoning_tokens": 0},
                         "total_tokens": u["input"] + u["output"]}}
        if r.stop == "length":
            out.update(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
        return out

    @classmethod
    def chunks(cls, req, r):
        n = [0]

        def ev(name, **kw):
            n[0] += 1
            return sse(dict({"type": name, "sequence_number": n[0] - 1}, **kw), name)
        start = dict(cls.whole(req, r, "in_progress"), output=[], usage=None)
        yield ev("response.created", response=start)
        yield ev("response.in_progress", response=start)
        for oi, it in enumerate(cls.items(r)):
            kind = it["type"]
            if kind == "message":
                yield ev("response.output_item.added", output_index=oi, item=dict(it, content=[], status="in_progress"))
                text = it["content"][0]["text"]
                at = dict(item_id=it["id"], output_index=oi, content_index=0)
                yield ev("response.content_part.added", part={"type": "output_text", "text": "", "annotations": []}, **at)
                for p in pieces(text):
                    yield ev("response.output_text.delta", delta=p, **at)
                yield ev("response.output_text.done", text=text, **at)
                yield ev("response.content_part.done", part=it["content"][0], **at)
            elif kind == "reasoning":
                yield ev("response.output_item.added", output_index=oi, item=dict(it, summary=[]))
                at = dict(item_id=it["id"], output_index=oi, summary_index=0)
                yield ev("response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""}, **at)
                yield ev("response.reasoning_summary_text.delta", delta=r.thinking, **at)
                yield ev("response.reasoning_summary_text.done", text=r.thinking, **at)
            elif kind == "function_call":
                yield ev("response.output_item.added", output_index=oi, item=dict(it, arguments="", status="in_progress"))
                for p in pieces(it["arguments"]):
                    yield ev("response.function_call_arguments.delta", item_id=it["id"], output_index=oi, delta=p)
                yield ev("response.function_call_arguments.done", item_id=it["id"], output_index=oi,
                         arguments=it["arguments"])
            elif kind == "custom_tool_call":
                yield ev("response.output_item.added", output_index=oi, item=dict(it, input=""))
                for p in pieces(it["input"]):
                    yield ev("response.custom_tool_call_input.delta", item_id=it["id"], output_index=oi, delta=p)
                yield ev("response.custom_tool_call_input.done", item_id=it["id"], output_index=oi, input=it["input"])
            else:
                yield ev("response.output_item.added", output_index=oi, item=it)
            yield ev("response.output_item.done", output_index=oi, item=it)
        end = cls.whole(req, r)
        yield ev("response.incomplete" if end["status"] == "incomplete" else "response.completed", response=end)

    ERR = {429: "rate_limit_exceeded", 401: "invalid_api_key", 400: "invalid_request_error", 403: "forbidden",
           404: "model_not_found", 500: "server_error", 503: "server_overloaded"}
    OVERLOADED = 503
    QUOTA_STATUS = 429

    @classmethod
    def error(cls, status, kind, message):
        code = {"quota": "insufficient_quota", "context": "context_length_exceeded"}.get(
            kind, cls.ERR.get(status, "server_error"))
        typ = {"quota": "insufficient_quota", "rate_limit": "requests"}.get(
            kind, "invalid_request_error" if 400 <= status < 500 else "server_error")
        return {"error": {"message": message, "type": typ, "param": None, "code": code}}

    @classmethod
    def stream_error(cls, message):
        yield sse({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_err"}}, "response.created")
        yield sse({"type": "response.failed", "sequence_number": 1, "response": {
            "id": "resp_err", "object": "response", "status": "failed", "output": [], "usage": None,
            "error": {"code": "server_is_overloaded", "message": message}}}, "response.failed")

    MESSAGES = {"auth": "Incorrect API key provided: test-key. You can find your API key at "
                        "https://platform.openai.com/account/api-keys.",
                "rate_limit": "Rate limit reached for requests. Please try again in 1s.",
                "quota": "You exceeded your current quota, please check your plan and billing details.",
                "context": "Your input exceeds the context window of this model. Please adjust your input and try again."}


class Chat:
    OVERLOADED, QUOTA_STATUS = 503, 429
    ERR, MESSAGES, error = Responses.ERR, Responses.MESSAGES, Responses.error

    @staticmethod
    def calls(r):
        return [{"index": i, "id": cid, "type": "function",
                 "function": {"name": tool, "arguments": r.raw_args or (args if isinstance(args, str) else json.dumps(args))}}
                for i, (cid, tool, args) in enumerate(r.calls)]

    @staticmethod
    def stop(r):
        return r.stop or ("tool_calls" if r.calls else "stop")

    @staticmethod
    def usage(r):
        u = r.usage
        return {"prompt_tokens": u["input"], "completion_tokens": u["output"], "total_tokens": u["input"] + u["output"],
                "prompt_tokens_details": {"cached_tokens": u["cached"]}}

    @classmethod
    def whole(cls, req, r):
        m = {"role": "assistant", "content": r.text or None}
        if r.calls:
            m["tool_calls"] = [{k: v for k, v in c.items() if k != "index"} for c in cls.calls(r)]
        return {"id": "chatcmpl-%06d" % r.seq, "object": "chat.completion", "created": int(time.time()),
                "model": req.model, "choices": [{"index": 0, "message": m, "finish_reason": cls.stop(r)}],
                "usage": cls.usage(r)}

    @classmethod
    def chunks(cls, req, r):
        def ev(delta, finish=None, **kw):
            return sse(dict({"id": "chatcmpl-%06d" % r.seq, "object": "chat.completion.chunk",
                             "created": int(time.time()), "model": req.model,
                             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, **kw))
        yield ev({"role": "assistant", "content": ""})
        if r.thinking:
            yield ev({"reasoning_content": r.thinking})
        for p in pieces(r.text):
            yield ev({"content": p})
        for c in cls.calls(r):
            args = c["function"]["arguments"]
            yield ev({"tool_calls": [dict(c, function={"name": c["function"]["name"], "arguments": ""})]})
            for p in pieces(args):
                yield ev({"tool_calls": [{"index": c["index"], "function": {"arguments": p}}]})
        yield ev({}, cls.stop(r))
        last = json.loads(ev({})[6:])
        last.update(choices=[], usage=cls.usage(r))
        yield sse(last)
        yield sse("[DONE]")

    @classmethod
    def stream_error(cls, message):
        yield sse({"error": {"message": message, "type": "server_error", "code": "server_error"}})


class Gemini:
    OVERLOADED, QUOTA_STATUS = 503, 429
    STATUS = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 401: "UNAUTHENTICATED",
              403: "PERMISSION_DENIED", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}
    MESSAGES = {"auth": "API key not valid. Please pass a valid API key.",
                "rate_limit": "Resource has been exhausted (e.g. check quota).",
                "overloaded": "The model is overloaded. Please try again later.",
                "quota": "You exceeded your current quota, please check your plan and billing details."}

    @classmethod
    def parts(cls, r):
        out = []
        if r.thinking:
            out.append({"text": r.thinking, "thought": True})
        out += [{"text": p} for p in pieces(r.text)]
        out += [{"functionCall": {"id": cid, "name": tool, "args": args}} for cid, tool, args in r.calls]
        return out

    @classmethod
    def wrap(cls, req, r, parts, last):
        u, c = r.usage, {"content": {"role": "model", "parts": parts}, "index": 0}
        if last:
            c["finishReason"] = {"length": "MAX_TOKENS"}.get(r.stop, "STOP")
        return {"candidates": [c], "modelVersion": req.model, "responseId": "resp_%06d" % r.seq,
                "usageMetadata": {"promptTokenCount": u["input"], "candidatesTokenCount": u["output"],
                                  "cachedContentTokenCount": u["cached"],
                                  "totalTokenCount": u["input"] + u["output"]}}

    @classmethod
    def whole(cls, req, r):
        return cls.wrap(req, r, cls.parts(r), True)

    @classmethod
    def chunks(cls, req, r):
        parts = cls.parts(r)
        for p in parts:
            yield sse(cls.wrap(req, r, [p], False))
        yield sse(cls.wrap(req, r, [{"text": ""}], True))

    @classmethod
    def error(cls, status, kind, message):
        e = {"code": status, "message": message, "status": cls.STATUS.get(status, "UNKNOWN"), "details": []}
        if kind == "quota":
            e["details"] = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                {"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                 "quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}]
        elif kind == "auth":
            e["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                             "domain": "googleapis.com"}]
        return {"error": e}

    @classmethod
    def stream_error(cls, message):
        yield sse(cls.error(503, "overloaded", message))


DIALECT = {"anthropic": Anthropic, "responses": Responses, "chat": Chat, "gemini": Gemini}


# ---------------------------------------------------------------- the server

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "scripted-model"
    script = log = None
    full = False
    counter, lock = [0], threading.Lock()

    def log_message(self, *a):
        pass

    # -- log: one line a request

    def note(self, **kw):
        with self.lock:
            self.log.write(json.dumps(kw) + "\n")
            self.log.flush()

    # -- sending

    def send_json(self, obj, status=200, headers=()):
        data = json.dumps(obj).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("request-id", "req_scripted")
        for k, v in headers:
            self.send_header(k, str(v))
        self.end_headers()
        self.wfile.write(data)

    def start_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("request-id", "req_scripted")
        self.end_headers()

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # -- receiving

    def read_body(self):
        n = self.headers.get("Content-Length")
        if n is not None:
            raw = self.rfile.read(int(n))
        elif "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            raw = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
                raw += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    break
        else:
            raw = b""
        enc = (self.headers.get("Content-Encoding") or "").lower()
        if enc == "gzip":
            raw = gzip.decompress(raw)
        elif enc == "deflate":
            raw = zlib.decompress(raw)
        return raw

    def seq(self):
        with self.lock:
            self.counter[0] += 1
            return self.counter[0]

    def other(self, raw=b""):
        path = self.path.split("?")[0]
        self.note(seq=self.seq(), t=time.time(), method=self.command, path=self.path, provider=None,
                  ua=self.headers.get("User-Agent"), bytes=len(raw),
                  body=raw.decode("utf-8", "replace") if self.full else None)
        if path.endswith("/models") and self.command == "GET":
            ids = self.script.data.get("models") or ["test-model"]
            return self.send_json({"object": "list", "data": [
                {"id": m, "object": "model", "type": "model", "owned_by": "scripted", "created": 0,
                 "display_name": m, "created_at": "2026-01-01T00:00:00Z"} for m in ids]})
        if path in ("/", "/health"):
            return self.send_json({"ok": True})
        self.send_json({"error": {"type": "not_found_error", "message": "not scripted: " + path}}, 404)

    def do_GET(self):
        self.other()

    def do_HEAD(self):
        self.note(seq=self.seq(), t=time.time(), method="HEAD", path=self.path, provider=None)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_PATCH = do_DELETE = lambda self: self.other(self.read_body())

    def do_POST(self):
        raw = self.read_body()
        path = self.path.split("?")[0]
        provider = ("anthropic" if path.endswith("/messages") else
                    "responses" if path.endswith("/responses") else
                    "chat" if path.endswith("/chat/completions") else
                    "gemini" if re.search(r":(stream)?[gG]enerateContent$", path) else None)
        if path.endswith("/count_tokens") or path.endswith(":countTokens"):
            self.note(seq=self.seq(), t=time.time(), method="POST", path=self.path, provider="count", bytes=len(raw))
            return self.send_json({"input_tokens": len(raw) // 4, "totalTokens": len(raw) // 4})
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = None
        if provider is None or not isinstance(body, dict):
            return self.other(raw)
        headers = {k.lower(): v for k, v in self.headers.items()}
        req = Request(provider, body, self.path, headers)
        seq = self.seq()
        route, index, turn = self.script.next(req)
        turn = subst(turn, req)
        entry = dict(seq=seq, t=time.time(), method="POST", path=self.path, provider=provider, model=req.model,
                     stream=req.stream, ua=headers.get("user-agent"), route=route, turn=index,
                     aux=req.is_aux(), conversation=req.conversation(), cwd=req.cwd, bytes=len(raw),
                     key=bool(headers.get("x-api-key") or headers.get("authorization") or
                              headers.get("x-goog-api-key") or "key=" in self.path),
                     n_messages=req.n_messages, tools=[t.name for t in req.tools],
                     last_user=(req.users[-1] if req.users else "")[-2000:],
                     prompt_sha=hashlib.sha1("\n".join(req.users).encode()).hexdigest(),
                     tool_results=[dict(x, text=x["text"][:2000]) for x in req.results])
        if self.full:
            entry["body"] = body
            entry["headers"] = {k: ("<set>" if k in ("authorization", "x-api-key", "x-goog-api-key") else v)
                                for k, v in headers.items()}
        try:
            entry["sent"] = self.answer(req, turn, seq)
        except (BrokenPipeError, ConnectionResetError) as e:
            entry["sent"] = {"client_gone": str(e)}
            self.close_connection = True
        entry["took"] = round(time.time() - entry["t"], 3)
        self.note(**entry)

    def answer(self, req, turn, seq):
        dialect = DIALECT[req.provider]
        if turn.get("delay_ms"):
            time.sleep(turn["delay_ms"] / 1000)
        reply = Reply(seq)
        reply.tools = {}
        if turn.get("usage"):
            reply.usage.update(turn["usage"])
        reply.thinking = turn.get("thinking", "")
        reply.stop = turn.get("stop")
        fault = turn.get("fault")
        if fault is not None:
            fault = {"kind": fault} if isinstance(fault, str) else fault
            return self.fail(req, dialect, fault, reply)
        reply.text = turn.get("final", turn.get("say", ""))
        actions = turn.get("do") or []
        if isinstance(reply.text, (dict, list)):
            if any(t.name == STRUCTURED for t in req.tools):
                actions = [{"tool": {"name": STRUCTURED, "input": reply.text}}]
                reply.text = ""
            else:
                reply.text = json.dumps(reply.text)
        try:
            for i, action in enumerate(actions):
                tool, args = plan_call(action, req.tools, req.cwd)
                cid = "%s_%06d_%d" % ("toolu" if req.provider == "anthropic" else "call", seq, i)
                reply.calls.append((cid, tool.name, args))
                reply.tools[cid] = tool
        except Unplayable as e:
            reply.calls, reply.text = [], "SCRIPT ERROR: %s" % e
        self.deliver(req, dialect, reply, turn.get("chunk_ms", 0))
        return {"text": reply.text[:500], "calls": [[t, a] for _, t, a in reply.calls]}

    def deliver(self, req, dialect, reply, chunk_ms=0, stop_after=None):
        if not req.stream:
            return self.send_json(dialect.whole(req, reply))
        self.start_stream()
        for n, c in enumerate(dialect.chunks(req, reply)):
            if stop_after is not None and n >= stop_after:
                return self.cut()
            self.chunk(c)
            if chunk_ms:
                time.sleep(chunk_ms / 1000)
        self.end_stream()

    def wait_gone(self, seconds):
        """Until the client goes away, or for so many seconds; True if it went away."""
        self.connection.settimeout(0.2)
        end = time.time() + seconds
        while time.time() < end:
            try:
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    return True
                time.sleep(0.2)
            except (TimeoutError, socket.timeout):
                continue
            except OSError:
                return True
        return False

    def fail(self, req, dialect, fault, reply):
        kind = fault.get("kind", "server")
        status = fault.get("status")
        codes = {"rate_limit": 429, "quota": dialect.QUOTA_STATUS, "overloaded": dialect.OVERLOADED, "server": 500,
                 "auth": 400 if req.provider == "gemini" else 401, "forbidden": 403, "bad_request": 400,
                 "context": 400, "not_found": 404}
        if kind in codes or (status and kind == "http"):
            status = status or codes[kind]
            message = fault.get("message") or dialect.MESSAGES.get(kind) or "scripted %s" % kind
            headers = [("retry-after", fault["retry_after"])] if "retry_after" in fault else []
            headers += list((fault.get("headers") or {}).items())
            body = fault.get("body") or dialect.error(status, kind, message)
            if req.provider == "gemini" and "retry_after" in fault and "body" not in fault:
                body["error"]["details"].append({"@type": "type.googleapis.com/google.rpc.RetryInfo",
                                                 "retryDelay": "%ss" % fault["retry_after"]})
            self.send_json(body, status, headers)
            return {"fault": kind, "status": status}
        if kind == "reset":
            self.cut()
        elif kind == "hang":
            gone = self.wait_gone(fault.get("seconds", 3600))
            self.cut()
            return {"fault": kind, "client_gone": gone}
        else:
            reply.text = fault.get("message", "partial answer that never ends well")
            if kind == "stall":
                self.start_stream()
                for n, c in enumerate(dialect.chunks(req, reply)):
                    if n >= fault.get("after", 3):
                        break
                    self.chunk(c)
                gone = self.wait_gone(fault.get("seconds", 3600))
                self.cut()
                return {"fault": kind, "client_gone": gone}
            if kind == "drop":
                if req.stream:
                    self.deliver(req, dialect, reply, stop_after=fault.get("after", 3))
                else:
                    self.cut()
            elif kind == "malformed":
                if req.stream:
                    self.start_stream()
                    self.chunk(sse("{this is not json"))
                    self.end_stream()
                else:
                    data = b"{this is not json"
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
            elif kind == "stream_error":
                if not req.stream:
                    self.send_json(dialect.error(dialect.OVERLOADED, "overloaded", fault.get("message", "Overloaded")),
                                   dialect.OVERLOADED)
                    return {"fault": kind}
                self.start_stream()
                for c in dialect.stream_error(fault.get("message", "Overloaded")):
                    self.chunk(c)
                self.end_stream()
            elif kind == "empty":
                reply.text = ""
                self.deliver(req, dialect, reply)
            elif kind == "bad_tool":
                reply.text = ""
                reply.calls = [("call_%06d_0" % reply.seq, "no_such_tool", {"x": 1})]
                self.deliver(req, dialect, reply)
            elif kind == "bad_args":
                reply.text = ""
                tool = find_tool(req.tools, "shell") or (req.tools[0] if req.tools else Tool("bash", {}))
                reply.calls, reply.raw_args = [("call_%06d_0" % reply.seq, tool.name, {})], '{"command": "echo'
                self.deliver(req, dialect, reply)
            else:
                self.send_json({"error": {"message": "unknown fault " + kind}}, 500)
        return {"fault": kind}


def main():
    ap = argparse.ArgumentParser(description="scripted model API server (loopback)")
    ap.add_argument("--script", required=True)
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--log", required=True)
    ap.add_argument("--full", action="store_true", help="log whole request bodies and headers")
    ap.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    a = ap.parse_args()
    with open(a.script, encoding="utf-8") as f:
        Handler.script = Script(json.load(f))
    Handler.log = open(a.log, "a", encoding="utf-8")
    Handler.full = a.full
    server = Server(("127.0.0.1", a.port), Handler)
    print(server.server_address[1], flush=True)
    if a.until_eof:
        def watch():
            while sys.stdin.buffer.read(4096):
                pass
            os._exit(0)  # not shutdown(): a request in the middle of a scripted hang must not hold it up
        threading.Thread(target=watch, daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    sys.exit(main())
