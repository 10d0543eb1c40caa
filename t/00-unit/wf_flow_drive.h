/* Drives one flow through the engine: what the flow tests share. */
#ifndef WF_FLOW_DRIVE_H
#define WF_FLOW_DRIVE_H

#include "flow/wf_flow.h"
#include "wf_test.h"

#include <stdio.h>
#include <string.h>

#define DRIVE_START INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */

static apr_time_t drive_now;

static inline apr_time_t drive_clock(void *baton)
{
    return drive_now;
}

typedef struct {
    wf_plan_t *plan;
    wf_session_t *session; /* what was committed last; NULL: nothing */
    wf_json_t *company;
    int anonymous;
    wf_engine_in_t in; /* of the last exchange */
    wf_flow_request_t request;
    wf_outcome_t out;
} drive_t;

/* Reads JSON written with ' for ", so that tests can be read. */
static inline wf_json_t *drive_json(const char *text)
{
    char *json = apr_pstrdup(test_pool, text), *c;
    wf_json_t *v;

    for (c = json; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    ck_assert_msg(wf_json_parse(test_ctx, &v, json, strlen(json), 0) == WF_OK, "%s", json);
    return v;
}

static inline const char *drive_text(const wf_json_t *v)
{
    return v ? wf_json_text(test_pool, v, NULL) : "(absent)";
}

/* Every ' in `expected` stands for ". */
static inline void drive_same(const wf_json_t *v, const char *expected)
{
    ck_assert_msg(wf_json_equal(v, drive_json(expected)), "%s is not %s", drive_text(v), expected);
}

static inline wf_plan_t *drive_open(const char *text, size_t len)
{
    wf_plan_t *plan;

    ck_assert_int_eq(wf_plan_open(test_ctx, &plan, text, len), WF_OK);
    return plan;
}

/* NULL where the logic is refused; `issues` may be NULL. */
static inline wf_plan_t *drive_compile(const wf_json_t *flow, const wf_json_t *logic,
                                       wf_issues_t *issues)
{
    wf_issues_t own = {NULL, 0, 0};
    const char *text;
    size_t len, i;

    issues = issues ? issues : &own;
    memset(issues, 0, sizeof(*issues));
    issues->issues = apr_array_make(test_pool, 4, sizeof(wf_issue_t));
    ck_assert_int_eq(wf_plan_compile(test_ctx, &text, &len, issues, flow, logic), WF_OK);
    if (issues == &own) {
        for (i = 0; i < (size_t)issues->issues->nelts; i++) {
            const wf_issue_t *issue = &APR_ARRAY_IDX(issues->issues, i, wf_issue_t);
            fprintf(stderr, "# %s: %s\n", issue->pointer, issue->message);
        }
    }
    ck_assert_int_eq(text == NULL, issues->errors > 0);
    return text ? drive_open(text, len) : NULL;
}

static inline drive_t *drive_make(const char *flow, const char *logic)
{
    drive_t *d = apr_pcalloc(test_pool, sizeof(*d));

    drive_now = DRIVE_START;
    test_ctx->clock = drive_clock;
    d->plan = drive_compile(drive_json(flow), logic ? drive_json(logic) : NULL, NULL);
    ck_assert_ptr_nonnull(d->plan);
    return d;
}

static inline void drive_prepare(drive_t *d, const char *action, const char *screen,
                                 const char *data)
{
    wf_json_t *body = wf_json_object_make(test_pool);
    const char *text;
    size_t len;

    wf_json_set_str(body, "version", "3.0");
    wf_json_set_str(body, "action", action);
    wf_json_set_str(body, "screen", screen);
    wf_json_set_str(body, "flow_token", "t-1");
    wf_json_set(body, "data", drive_json(data));
    text = wf_json_text(test_pool, body, &len);
    ck_assert_int_eq(wf_flow_request_parse(test_ctx, &d->request, text, len), WF_OK);
    memset(&d->in, 0, sizeof(d->in));
    d->in.plan = d->plan;
    d->in.request = &d->request;
    d->in.session = d->session;
    d->in.anonymous = d->anonymous;
    d->in.flow_name = "booking";
    d->in.flow_version = 3;
    d->in.company = d->company;
    d->in.repeat_window = apr_time_from_sec(30);
}

/* `len` may be NULL. */
static inline const char *drive_record(const wf_session_t *session, size_t *len)
{
    wf_buf_t out;

    wf_buf_init(&out, test_pool, 0, 64 * 1024 * 1024);
    wf_session_write(&out, session);
    ck_assert(!out.failed);
    if (len) {
        *len = out.len;
    }
    return out.data;
}

/* The reply as JSON after the session was stored and read back, as the service does. */
static inline wf_json_t *drive_commit(drive_t *d)
{
    wf_json_t *reply;
    const char *text;
    size_t len;

    ck_assert_int_ne(d->out.kind, WF_OUTCOME_FAIL);
    ck_assert_uint_eq(strlen(d->out.reply), d->out.reply_len);
    ck_assert_int_eq(wf_json_parse(test_ctx, &reply, d->out.reply, d->out.reply_len, 128), WF_OK);
    if (d->out.session) {
        wf_session_t *s = d->out.session;
        ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
        s->id = s->id ? s->id : "s1";
        s->company_id = "c1";
        s->flow_id = "f1";
        s->token_hash = "00";
        text = drive_record(s, &len);
        ck_assert_int_eq(wf_session_parse(test_ctx, &d->session, text, len), WF_OK);
    }
    return reply;
}

static inline wf_json_t *drive_send(drive_t *d, const char *action, const char *screen,
                                    const char *data)
{
    drive_now += apr_time_from_sec(1);
    drive_prepare(d, action, screen, data);
    ck_assert_int_eq(wf_engine_run(test_ctx, &d->out, &d->in), WF_OK);
    return d->out.kind == WF_OUTCOME_BACKEND ? NULL : drive_commit(d);
}

/* "A B C": the session's history. */
static inline const char *drive_history(const drive_t *d)
{
    char *text = apr_pstrdup(test_pool, "");
    size_t i;

    for (i = 0; i < wf_json_len(d->session->history); i++) {
        text = apr_pstrcat(test_pool, text, i ? " " : "",
                           wf_json_str(wf_json_at(d->session->history, i)), NULL);
    }
    return text;
}

#endif
