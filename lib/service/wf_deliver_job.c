#include "service/wf_deliver_int.h"
#include "webhook/wf_delivery.h"

#include <string.h>

#define TABLE "whatsapp_accounts"
#define TIMEOUT_DEFAULT_MS 5000

wf_deliver_job_t *wf_deliver_job_make(wf_ctx_t *worker, wf_deliver_batch_t *batch,
                                      const wf_outbox_row_t *row)
{
    wf_deliver_job_t *job;
    apr_pool_t *pool;

    apr_pool_create(&pool, batch->pool);
    job = apr_pcalloc(pool, sizeof(*job));
    job->ctx = wf_ctx_derive(worker, pool);
    job->ctx->log.fn = NULL;
    job->batch = batch;
    job->row = row;
    job->result.row = row;
    batch->users++;
    return job;
}

/* ---- signing ---------------------------------------------------------------------------- */

static wf_status_t open_secret(wf_deliver_job_t *job, wf_secret_t *out, const wf_service_t *service,
                               const wf_json_t *keys, const char *column, const char *sealed)
{
    wf_ctx_t *ctx = job->ctx;
    const wf_seal_place_t place = {TABLE, column, job->row->company_id, job->row->account_id};
    const char *id = strchr(sealed, ':') ? strchr(sealed, ':') + 1 : "", *wrapped;
    wf_data_key_t key;
    wf_secret_t plain;
    wf_status_t st;

    id = apr_pstrndup(ctx->pool, id, strcspn(id, ":"));
    wrapped = wf_json_get_str(keys, id, NULL);
    if (!wrapped) {
        return wf_fail(ctx, WF_EINTERNAL,
                       WFLOGNO(0470) "the data key of the callback secret is not there");
    }
    st = wf_data_key_unwrap(ctx, &key, service->ring, job->row->company_id, id, wrapped);
    if (st == WF_OK) {
        st = wf_unseal(ctx, &plain, &key, &place, sealed);
    }
    wf_wipe(&key, sizeof(key));
    if (st == WF_OK) {
        job->redacted[job->redacted_count++] = (const char *)plain.data;
        st = wf_delivery_secret_parse(ctx, out, (const char *)plain.data);
    }
    return st;
}

/* The newest first; the one before it as long as it is valid. */
static wf_status_t open_secrets(wf_deliver_job_t *job, wf_secret_t *out, int *count,
                                const wf_service_t *service)
{
    const wf_outbox_row_t *row = job->row;
    wf_ctx_t *ctx = job->ctx;
    wf_json_t *keys;
    wf_status_t st;

    *count = 0;
    if (!row->secret || !row->data_keys || !row->account_id) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0471) "the account has no callback secret");
    }
    st = wf_json_parse(ctx, &keys, row->data_keys, strlen(row->data_keys), 0);
    if (st == WF_OK) {
        st = open_secret(job, &out[0], service, keys, "callback_secret", row->secret);
    }
    if (st != WF_OK) {
        return st;
    }
    *count = 1;
    if (row->previous_secret && row->previous_until > wf_now(ctx)) {
        st = open_secret(job, &out[1], service, keys, "previous_callback_secret",
                         row->previous_secret);
        *count = st == WF_OK ? 2 : 1;
    }
    return st;
}

wf_status_t wf_deliver_job_prepare(wf_deliver_job_t *job, const wf_service_t *service)
{
    const wf_outbox_row_t *row = job->row;
    apr_table_t *headers = apr_table_make(job->ctx->pool, 4);
    wf_delivery_headers_t signed_by;
    wf_secret_t secrets[2];
    wf_status_t st;
    int count;

    job->result.started_at = wf_now(job->ctx);
    if (!row->url) {
        return wf_fail(job->ctx, WF_EINVALID, WFLOGNO(0472) "the account has no callback URL");
    }
    if ((st = open_secrets(job, secrets, &count, service)) != WF_OK ||
        (st = wf_delivery_sign(job->ctx, &signed_by, secrets, count,
                               apr_pstrcat(job->ctx->pool, "msg_", row->id, NULL), row->payload,
                               row->payload_len)) != WF_OK) {
        return st;
    }
    job->redacted[job->redacted_count++] = signed_by.signature;
    apr_table_setn(headers, "Content-Type", "application/json");
    apr_table_setn(headers, WF_DELIVERY_ID_HEADER, signed_by.id);
    apr_table_setn(headers, WF_DELIVERY_TIMESTAMP_HEADER, signed_by.timestamp);
    apr_table_setn(headers, WF_DELIVERY_SIGNATURE_HEADER, signed_by.signature);
    job->request = (wf_http_request_t){
        .method = "POST",
        .url = row->url,
        .headers = headers,
        .body = row->payload,
        .body_len = row->payload_len,
        .timeout = apr_time_from_msec(row->timeout_ms > 0 ? row->timeout_ms : TIMEOUT_DEFAULT_MS)};
    return WF_OK;
}

/* ---- the outcome ------------------------------------------------------------------------ */

/* Without the log id: the company's people read it. */
static const char *reason_of(const wf_ctx_t *ctx, wf_status_t st)
{
    const char *detail = ctx->err.detail;

    if (!detail) {
        return wf_status_name(st);
    }
    return strncmp(detail, "WF", 2) == 0 && strstr(detail, ": ") ? strstr(detail, ": ") + 2
                                                                 : detail;
}

static void keep_reply(wf_deliver_job_t *job, const wf_http_reply_t *reply)
{
    wf_slice_t kept =
        wf_delivery_redact(job->ctx->pool, reply->body ? reply->body : "", reply->body_len,
                           job->redacted, job->redacted_count, WF_OUTBOX_REPLY_MAX);

    job->result.status_code = reply->status;
    job->result.reply = kept.data;
    job->result.reply_len = kept.len;
    if (reply->status < 200 || reply->status > 299) {
        job->result.error = apr_psprintf(job->ctx->pool, "HTTP status %d", reply->status);
    }
}

void wf_deliver_job_conclude(wf_deliver_job_t *job, wf_status_t st, const wf_http_reply_t *reply)
{
    static const wf_outbox_outcome_t outcomes[] = {[WF_DELIVERY_DONE] = WF_OUTBOX_DONE,
                                                   [WF_DELIVERY_RETRY] = WF_OUTBOX_RETRY,
                                                   [WF_DELIVERY_DEAD] = WF_OUTBOX_DEAD,
                                                   [WF_DELIVERY_GONE] = WF_OUTBOX_DEAD};
    const wf_outbox_row_t *row = job->row;
    wf_delivery_attempt_t attempt = {.attempts = row->attempts - row->attempts_before + 1,
                                     .max_retries = row->max_retries,
                                     .now = wf_now(job->ctx)};
    unsigned char random[2] = {0x80, 0};
    apr_interval_time_t wait;

    if (reply) {
        job->result.took = reply->took;
    }
    if (st == WF_OK) {
        keep_reply(job, reply);
        attempt.status = reply->status;
        attempt.retry_after = apr_table_get(reply->headers, "retry-after");
    } else {
        job->result.error = reason_of(job->ctx, st);
    }
    if (wf_rand_bytes(job->ctx, random, sizeof(random)) != WF_OK) {
        wf_ctx_clear(job->ctx); /* no jitter this time */
    }
    attempt.random = (unsigned)random[0] << 8 | random[1];
    job->verdict = wf_delivery_judge(&wait, &attempt);
    job->result.outcome = outcomes[job->verdict];
    job->result.next_attempt_at = attempt.now + wait;
}
