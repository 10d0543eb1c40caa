#include "service/wf_exchange_int.h"
#include "service/wf_step_writer_int.h"

#include <string.h>

/* The order of WHATSAPP.md 1.19: signature, decryption, ping, error notification, then the step. */

void wf_exchange_end(wf_ctx_t *ctx, wf_exchange_t *x, wf_exchange_code_t code, wf_log_level_t level,
                     const char *reason)
{
    x->out->code = code;
    x->out->reason = reason;
    wf_log(ctx, level, WFLOGNO(0420) "flow exchange refused: %s (company %s, flow %s, code %d)",
           reason, x->in->tenant->company.slug, x->in->flow_name ? x->in->flow_name : "-",
           (int)code);
}

void wf_exchange_reply(wf_ctx_t *ctx, wf_exchange_t *x, wf_exchange_code_t code, const char *text,
                       size_t len)
{
    x->out->code = code;
    if (wf_envelope_seal(ctx, &x->out->body, x->key, text, len) != WF_OK) {
        x->out->body.len = 0;
        wf_exchange_end(ctx, x, WF_EXCHANGE_FAILED, WF_LOG_ERROR, "the reply was not encrypted");
    }
}

static void count_action(wf_exchange_t *x)
{
    static const struct {
        const char *name;
        wf_metric_t metric;
    } actions[] = {
        [WF_ACTION_UNKNOWN] = {"unknown", WF_METRIC_EXCHANGE_UNKNOWN},
        [WF_ACTION_PING] = {"ping", WF_METRIC_EXCHANGE_PING},
        [WF_ACTION_INIT] = {"INIT", WF_METRIC_EXCHANGE_INIT},
        [WF_ACTION_BACK] = {"BACK", WF_METRIC_EXCHANGE_BACK},
        [WF_ACTION_DATA_EXCHANGE] = {"data_exchange", WF_METRIC_EXCHANGE_DATA},
        [WF_ACTION_ERROR] = {"error_notification", WF_METRIC_EXCHANGE_ERROR},
    };

    x->out->action = actions[x->request.action].name;
    wf_metric_add(x->service->metrics, actions[x->request.action].metric, 1);
}

/* WHATSAPP.md 1.11: stored as an event the company's developer can see, acknowledged, never a step. */
static void store_error_notification(wf_ctx_t *ctx, wf_exchange_t *x)
{
    wf_json_t *event = wf_json_object_make(ctx->pool);
    const char *token = x->request.flow_token ? x->request.flow_token : "";
    const char *token_hash = wf_sha256_hex(ctx->pool, token, strlen(token));
    const char *dedup = apr_pstrcat(ctx->pool, "flow_error:", token_hash, ":",
                                    wf_hex(ctx->pool, x->request.hash, WF_SHA256_LEN), NULL);
    const char *text;
    size_t len;
    wf_status_t st;

    wf_json_set_str(event, "flow_name", x->in->flow_name);
    wf_json_set_str(event, "flow_token_hash", token_hash);
    wf_json_set_str(event, "action", x->request.action_text);
    wf_json_set_str(event, "screen", x->request.screen);
    wf_json_set_str(event, "version", x->request.version);
    wf_json_set(event, "data", x->request.data);
    st = wf_error_event_save(ctx, x->service->store, x->in->tenant->company.id, x->account->id,
                             dedup, wf_json_text(ctx->pool, event, NULL));
    if (st != WF_OK) {
        wf_exchange_end(ctx, x, st == WF_EUNAVAIL ? WF_EXCHANGE_UNAVAILABLE : WF_EXCHANGE_FAILED,
                        WF_LOG_ERROR, "the error notification could not be stored");
        return;
    }
    wf_log(ctx, WF_LOG_WARNING,
           WFLOGNO(0421) "a phone could not use our answer: company %s, flow %s, screen %s: %s",
           x->in->tenant->company.slug, x->in->flow_name ? x->in->flow_name : "-",
           x->request.screen ? x->request.screen : "-",
           wf_json_get_str(x->request.data, "error", "")[0]
               ? wf_json_get_str(x->request.data, "error", "")
               : wf_json_get_str(x->request.data, "error_key", "no reason given"));
    text = wf_reply_ack(&len);
    wf_exchange_reply(ctx, x, WF_EXCHANGE_OK, text, len);
}

static void run(wf_ctx_t *ctx, wf_exchange_t *x)
{
    const char *text;
    size_t len;

    if (!wf_exchange_open(ctx, x)) {
        return;
    }
    if (wf_flow_request_parse(ctx, &x->request, x->plain.data, x->plain.len) != WF_OK) {
        wf_metric_add(x->service->metrics, WF_METRIC_CRYPTO_NOT_JSON, 1);
        wf_exchange_end(ctx, x, WF_EXCHANGE_FAILED, WF_LOG_WARNING,
                        "it decrypts, but is not a flow request");
        return;
    }
    count_action(x);
    switch (x->request.action) {
    case WF_ACTION_PING:
        text = wf_reply_ping(&len);
        wf_exchange_reply(ctx, x, WF_EXCHANGE_OK, text, len);
        return;
    case WF_ACTION_ERROR:
        store_error_notification(ctx, x);
        return;
    default:
        wf_exchange_step(ctx, x);
    }
}

/* For the company's own metrics. A flow that is not there has no name here: callers could make up any number. */
static void tally(wf_ctx_t *ctx, const wf_exchange_t *x)
{
    static const char *const results[] = {
        [WF_EXCHANGE_OK] = "ok",
        [WF_EXCHANGE_BAD_REQUEST] = "bad_request",
        [WF_EXCHANGE_BAD_SIGNATURE] = "bad_signature",
        [WF_EXCHANGE_UNDECRYPTABLE] = "undecryptable",
        [WF_EXCHANGE_NO_FLOW] = "no_flow",
        [WF_EXCHANGE_TOKEN_INVALID] = "token_invalid",
        [WF_EXCHANGE_FAILED] = "failed",
        [WF_EXCHANGE_UNAVAILABLE] = "unavailable",
    };
    const wf_exchange_out_t *out = x->out;
    const char *labels;

    if (!x->service->tally) {
        return;
    }
    labels = apr_pstrcat(ctx->pool,
                         wf_tally_label(ctx->pool, "flow", out->flow_name ? out->flow_name : ""), ",",
                         wf_tally_label(ctx->pool, "action", out->action ? out->action : ""), ",",
                         wf_tally_label(ctx->pool, "result", results[out->code]), NULL);
    wf_tally_add(x->service->tally, &x->in->tenant->company, "flow_exchange_total", labels, 1);
}

void wf_exchange(wf_ctx_t *ctx, wf_exchange_out_t *out, const wf_service_t *service,
                 const wf_exchange_in_t *in)
{
    wf_exchange_t x = {.service = service, .in = in, .out = out};

    memset(out, 0, sizeof(*out));
    out->code = WF_EXCHANGE_FAILED;
    if (in->tenant->account_count == 0) {
        wf_exchange_end(ctx, &x, WF_EXCHANGE_NO_FLOW, WF_LOG_INFO, "the company has no account");
        return;
    }
    if (service->writer) {
        wf_step_writer_expect(service->writer, 1);
    }
    run(ctx, &x);
    if (service->writer) {
        wf_step_writer_expect(service->writer, -1);
    }
    tally(ctx, &x);
}
