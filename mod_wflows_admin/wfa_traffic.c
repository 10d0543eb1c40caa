/* Sessions, responses, webhook events, deliveries: what moved, and sending it again. */
#include "wfa.h"

#include "store/wf_outbox_store.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* ---- sessions, responses ----------------------------------------------------------------------- */

static const wfa_column_t session_columns[] = {
    {"id", "/id"},
    {"flow_id", "/flow_id"},
    {"flow_name", "/flow_name"},
    {"flow_version", "/flow_version"},
    {"account_id", "/account_id"},
    {"status", "/status"},
    {"step", "/step"},
    {"screen", "/screen"},
    {"data_api_version", "/data_api_version"},
    {"started_at", "/started_at"},
    {"last_step_at", "/last_step_at"},
    {"expires_at", "/expires_at"},
    {"completed_at", "/completed_at"},
    {NULL, NULL},
};
static const wfa_column_t response_columns[] = {
    {"id", "/id"},
    {"created_at", "/created_at"},
    {"flow_id", "/flow_id"},
    {"flow_name", "/flow_name"},
    {"account_id", "/account_id"},
    {"session_id", "/session_id"},
    {"source", "/source"},
    {"message_id", "/message_id"},
    {"phone_number", "/phone_number"},
    {"response", "/response"},
    {NULL, NULL},
};

/* People's answers: who takes them away is written down. */
static const wfa_export_t session_export = {session_columns, "sessions", "sessions.exported",
                                            "flow"};
static const wfa_export_t response_export = {response_columns, "responses", "responses.exported",
                                             "flow"};

/* WF_ENOTFOUND where the flow in the path is none that the caller may see. */
static wf_status_t check_flow(wfa_call_t *call)
{
    wf_json_t *flow;

    return wfa_record(call, &flow, &wf_record_flow, call->id);
}

wf_status_t wfa_flow_session_list(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = check_flow(call);

    return st == WF_OK ? wfa_list(call, reply, &wf_list_flow_sessions) : st;
}

wf_status_t wfa_flow_session_export(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = check_flow(call);

    return st == WF_OK
               ? wfa_export(call, reply, &wf_list_flow_sessions, &session_export)
               : st;
}

wf_status_t wfa_session_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_sessions);
}

wf_status_t wfa_session_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_find(call, reply, &wf_record_session);
}

wf_status_t wfa_flow_response_list(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = check_flow(call);

    return st == WF_OK ? wfa_list(call, reply, &wf_list_flow_responses) : st;
}

wf_status_t wfa_flow_response_export(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = check_flow(call);

    return st == WF_OK
               ? wfa_export(call, reply, &wf_list_flow_responses, &response_export)
               : st;
}

wf_status_t wfa_response_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_responses);
}

wf_status_t wfa_response_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_find(call, reply, &wf_record_response);
}

/* ---- webhook events ------------------------------------------------------------------------------ */

wf_status_t wfa_event_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_events);
}

wf_status_t wfa_event_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_find(call, reply, &wf_record_event);
}

/* ---- deliveries ---------------------------------------------------------------------------------- */

wf_status_t wfa_delivery_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_deliveries);
}

/* The delivery with what belongs to it: why it waits, what is sent, and its attempts. */
static wf_status_t answer_delivery(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const parts[] = {"account", "held_by", "payload"};
    wf_json_t *whole, *doc;
    wf_status_t st = wf_outbox_document(call->ctx, &whole, call->service->store, call->company_id,
                                        call->id, 1);
    size_t i;

    if (st != WF_OK) {
        return st;
    }
    doc = wf_json_object_copy(call->r->pool, wf_json_get(whole, "delivery"));
    wf_json_set(doc, "history", wf_json_get(whole, "attempts"));
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        wf_json_set(doc, parts[i], wf_json_get(whole, parts[i]));
    }
    reply->doc = doc;
    return WF_OK;
}

wf_status_t wfa_delivery_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *delivery;
    wf_status_t st = wfa_record(call, &delivery, &wf_record_delivery, call->id);

    return st == WF_OK ? answer_delivery(call, reply) : st;
}

wf_status_t wfa_delivery_replay(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *delivery;
    wf_status_t st = wfa_record(call, &delivery, &wf_record_delivery, call->id);

    if (st == WF_OK) {
        st = wf_outbox_replay_one(call->ctx, call->service->store, call->company_id, call->id,
                                  &call->actor);
    }
    return st == WF_OK ? wfa_find(call, reply, &wf_record_delivery) : st;
}

/* ---- many at once ---------------------------------------------------------------------------------- */

static int is_consumer(const char *text)
{
    return strcmp(text, WF_OUTBOX_CALLBACK) == 0 || strcmp(text, WF_OUTBOX_MEDIA) == 0;
}

static int is_status(const char *text)
{
    return strcmp(text, "dead") == 0 || strcmp(text, "done") == 0 || strcmp(text, "pending") == 0;
}

static int is_pattern(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return len <= 64 && (text[len] == '\0' || strcmp(text + len, "*") == 0) && *text;
}

wf_status_t wfa_delivery_replay_many(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {"consumer", "status",  "event_type", "account_id",
                                        "from",     "to",      "dry_run",    NULL};
    const char *consumer = wfa_body_text(call, "consumer", is_consumer, "callback or media");
    const char *status = wfa_body_text(call, "status", is_status, "one of dead done pending");
    const char *statuses[] = {status ? status : "dead"};
    wf_outbox_filter_t filter = {
        .consumer = consumer ? consumer : WF_OUTBOX_CALLBACK,
        .statuses = statuses,
        .status_count = 1,
        .event_type = wfa_body_text(call, "event_type", is_pattern,
                                    "an event type, or the beginning of some with '*' behind"),
        .account_id = wfa_body_text(call, "account_id", wf_uuid_is, "an account's id"),
        .since = wfa_body_time(call, "from"),
        .until = wfa_body_time(call, "to"),
    };
    int dry_run = wfa_body_bool(call, "dry_run", 0);
    wf_outbox_replayed_t done;
    wf_json_t *doc = wf_json_object_make(call->r->pool);
    wf_status_t st;

    wfa_body_names(call, names);
    if ((st = wfa_body_done(call)) != WF_OK ||
        (st = wfa_account_allowed(call, filter.account_id)) != WF_OK) {
        return st;
    }
    st = wf_outbox_replay_matching(call->ctx, &done, call->service->store, call->company_id, &filter,
                                   dry_run, &call->actor);
    if (st == WF_OK) {
        wf_json_set_bool(doc, "dry_run", dry_run);
        wf_json_set_int(doc, "matched", done.matched);
        wf_json_set_int(doc, "replayed", done.replayed);
        wf_json_set(doc, "first", done.first);
        reply->doc = doc;
    }
    return st;
}
