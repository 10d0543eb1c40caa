#include "flow/wf_flow.h"

#include <stdio.h>
#include <string.h>

/* A reply may have 10 MiB, twice that with every byte escaped; the rest is far below. */
#define SESSION_MAX ((size_t)64 * 1024 * 1024)

/* One list for both directions: member name and where it lives in the record. */
typedef struct {
    const char *name;
    size_t offset;
    int needed; /* a text without which nobody can own or find the session */
} text_member_t;

typedef struct {
    const char *name;
    size_t offset;
} time_member_t;

#define AT(member) offsetof(wf_session_t, member)

static const text_member_t text_members[] = {
    {"id", AT(id), 1},
    {"company_id", AT(company_id), 1},
    {"account_id", AT(account_id), 0},
    {"flow_id", AT(flow_id), 1},
    {"flow_name", AT(flow_name), 0},
    {"token_hash", AT(token_hash), 1},
    {"status", AT(status), 1},
    {"screen", AT(screen), 0},
    {"request_hash", AT(request_hash), 0},
    {"reply", AT(reply), 0},
    {"reply_kind", AT(reply_kind), 0},
};

static const time_member_t time_members[] = {
    {"started_at", AT(started_at)},
    {"last_step_at", AT(last_step_at)},
    {"expires_at", AT(expires_at)},
    {"completed_at", AT(completed_at)},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char **text_at(wf_session_t *session, const text_member_t *member)
{
    return (const char **)(void *)((char *)session + member->offset);
}

static apr_time_t *time_at(wf_session_t *session, const time_member_t *member)
{
    return (apr_time_t *)(void *)((char *)session + member->offset);
}

/* ---- writing ---- */

/* Every step of every session is written: straight into text, without a tree of JSON values. */
static void add_name(wf_buf_t *out, const char *name)
{
    wf_buf_puts(out, out->len > 1 ? ",\"" : "\"");
    wf_buf_puts(out, name);
    wf_buf_puts(out, "\":");
}

static void add_text(wf_buf_t *out, const char *text)
{
    const char *plain = text;

    wf_buf_putc(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        wf_buf_add(out, plain, (size_t)(text - plain));
        if (c < 0x20) {
            wf_buf_printf(out, "\\u%04x", c);
        } else {
            wf_buf_putc(out, '\\');
            wf_buf_putc(out, *text);
        }
        plain = text + 1;
    }
    wf_buf_add(out, plain, (size_t)(text - plain));
    wf_buf_putc(out, '"');
}

static void add_number(wf_buf_t *out, const char *name, int64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" APR_INT64_T_FMT, (apr_int64_t)n);

    add_name(out, name);
    wf_buf_add(out, digits, (size_t)len);
}

static void add_value(wf_buf_t *out, const char *name, const wf_json_t *v, const char *otherwise)
{
    size_t len = strlen(otherwise);
    const char *text = v ? wf_json_text(out->pool, v, &len) : otherwise;

    add_name(out, name);
    wf_buf_add(out, text, len);
}

const char *wf_session_format(apr_pool_t *pool, const wf_session_t *session, size_t *len)
{
    wf_session_t copy = *session;
    const char *text;
    wf_buf_t out;
    size_t i;

    wf_buf_init(&out, pool, 2048, SESSION_MAX);
    wf_buf_putc(&out, '{');
    for (i = 0; i < COUNT(text_members); i++) {
        text = *text_at(&copy, &text_members[i]);
        if (text) {
            add_name(&out, text_members[i].name);
            add_text(&out, text);
        }
    }
    add_number(&out, "flow_version", session->flow_version);
    add_number(&out, "step", session->step);
    add_value(&out, "answers", session->answers, "{}");
    add_value(&out, "history", session->history, "[]");
    for (i = 0; i < COUNT(time_members); i++) {
        add_number(&out, time_members[i].name, *time_at(&copy, &time_members[i]));
    }
    wf_buf_putc(&out, '}');
    if (len) {
        *len = out.len;
    }
    return out.data;
}

/* ---- reading ---- */

static wf_status_t bad(wf_ctx_t *ctx, const char *member)
{
    return wf_fail(ctx, WF_EINVALID, WFLOGNO(0240) "stored session: %s is missing or wrong",
                   member);
}

/* JSON null is what PostgreSQL hands back for an empty column. */
static int is_void(const wf_json_t *v)
{
    return v == NULL || wf_json_type(v) == WF_JSON_NULL;
}

static wf_status_t read_texts(wf_ctx_t *ctx, wf_session_t *session, const wf_json_t *body)
{
    size_t i;

    for (i = 0; i < COUNT(text_members); i++) {
        const wf_json_t *v = wf_json_get(body, text_members[i].name);
        if (is_void(v) ? text_members[i].needed : wf_json_str(v) == NULL) {
            return bad(ctx, text_members[i].name);
        }
        *text_at(session, &text_members[i]) = wf_json_str(v);
    }
    return WF_OK;
}

static wf_status_t read_numbers(wf_ctx_t *ctx, wf_session_t *session, const wf_json_t *body)
{
    size_t i;

    for (i = 0; i < COUNT(time_members); i++) {
        const wf_json_t *v = wf_json_get(body, time_members[i].name);
        if (!is_void(v) && (!wf_json_is_int(v) || wf_json_int(v) < 0)) {
            return bad(ctx, time_members[i].name);
        }
        *time_at(session, &time_members[i]) = wf_json_int(v);
    }
    session->step = wf_json_get_int(body, "step", -1);
    session->flow_version = (int)wf_json_get_int(body, "flow_version", 0);
    if (session->step < 0 || !wf_json_is_int(wf_json_get(body, "step"))) {
        return bad(ctx, "step");
    }
    return WF_OK;
}

static int is_status(const char *text)
{
    return strcmp(text, WF_SESSION_ACTIVE) == 0 || strcmp(text, WF_SESSION_COMPLETED) == 0 ||
           strcmp(text, WF_SESSION_CANCELLED) == 0 || strcmp(text, WF_SESSION_EXPIRED) == 0;
}

static int is_list_of_names(const wf_json_t *v)
{
    size_t i;

    for (i = 0; i < wf_json_len(v); i++) {
        if (!wf_json_str(wf_json_at(v, i))) {
            return 0;
        }
    }
    return wf_json_type(v) == WF_JSON_ARRAY;
}

wf_status_t wf_session_parse(wf_ctx_t *ctx, wf_session_t **out, const char *text, size_t len)
{
    wf_session_t *session = apr_pcalloc(ctx->pool, sizeof(*session));
    wf_json_t *body;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_json_parse(ctx, &body, text, len, WF_FLOW_REQUEST_DEPTH + 1)) != WF_OK) {
        return st;
    }
    if ((st = read_texts(ctx, session, body)) != WF_OK ||
        (st = read_numbers(ctx, session, body)) != WF_OK) {
        return st;
    }
    session->answers = wf_json_get(body, "answers");
    session->history = wf_json_get(body, "history");
    if (!is_status(session->status)) {
        return bad(ctx, "status");
    }
    if (wf_json_type(session->answers) != WF_JSON_OBJECT) {
        return bad(ctx, "answers");
    }
    if (!is_list_of_names(session->history)) {
        return bad(ctx, "history");
    }
    *out = session;
    return WF_OK;
}
