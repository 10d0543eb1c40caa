/* Fetching one file: from the CDN (encrypted) or through the Graph API. */
#include "service/wf_graph.h"
#include "service/wf_media_fetch_int.h"

#include <string.h>

#define TIMEOUT apr_time_from_sec(120)
/* What one message may hold altogether (WHATSAPP.md 3.1). */
#define GRAPH_BYTES_MAX ((uint64_t)100 * 1024 * 1024)

/* The end of every way: plaintext in, a sealed file out. */
typedef struct {
    wf_vault_t *vault;
    wf_media_file_t *file;
    wf_hash_t *hash;
    int64_t size;
    char head[WF_MEDIA_SNIFF_LEN];
    size_t head_len;
} sealer_t;

typedef struct {
    wf_ctx_t *ctx;
    const wf_service_t *service;
    const wf_media_t *media;
    volatile apr_uint32_t *stop;
    wf_fetch_t *out;
} fetch_t;

/* ---- verdicts -------------------------------------------------------------------------------- */

static wf_fetch_verdict_t never(fetch_t *f, const char *status, const char *reason)
{
    f->out->done.status = status;
    f->out->done.reason = f->out->error = reason;
    return WF_FETCH_FINAL;
}

static wf_fetch_verdict_t again(fetch_t *f, const char *error)
{
    f->out->error = error;
    return WF_FETCH_AGAIN;
}

/* A failed check or a file that is too long will be so the next time too; the rest is an outage. */
static wf_fetch_verdict_t failed(fetch_t *f, wf_status_t st)
{
    const wf_err_t *err = &f->ctx->err;

    if ((st == WF_EDENIED || st == WF_ELIMIT) && err->public_text) {
        return never(f, WF_MEDIA_FAILED, err->public_text);
    }
    return again(f, err->detail ? err->detail : wf_status_name(st));
}

/* ---- plaintext in, sealed out -----------------------------------------------------------------
 */

static wf_status_t sealer_start(fetch_t *f, sealer_t *s)
{
    const wf_seal_place_t place = {"media", "content", f->media->company_id, f->media->id};
    wf_status_t st = wf_rand_bytes(f->ctx, f->out->done.file_key, WF_VAULT_KEY_LEN);

    memset(s, 0, sizeof(*s));
    s->hash = wf_hash_make(f->ctx->pool);
    if (st == WF_OK) {
        st = wf_media_file_make(f->ctx, &s->file, f->service->conf.media_dir, f->media,
                                WF_MEDIA_NEW_SUFFIX);
    }
    return st == WF_OK ? wf_vault_seal(f->ctx, &s->vault, f->out->done.file_key, &place,
                                       wf_media_file_write, s->file)
                       : st;
}

static wf_status_t sealer_add(wf_ctx_t *ctx, const void *data, size_t len, void *baton)
{
    sealer_t *s = baton;
    size_t room = sizeof(s->head) - s->head_len;

    memcpy(s->head + s->head_len, data, len < room ? len : room);
    s->head_len += len < room ? len : room;
    s->size += (int64_t)len;
    wf_hash_add(s->hash, data, len);
    return wf_vault_add(ctx, s->vault, data, len);
}

/* It is what was named, and it is kept. */
static wf_fetch_verdict_t sealer_finish(fetch_t *f, sealer_t *s)
{
    unsigned char hash[WF_SHA256_LEN];
    wf_status_t st;

    wf_hash_end(s->hash, hash);
    if (strcmp(wf_hex(f->ctx->pool, hash, sizeof(hash)), f->media->sha256) != 0) {
        return never(f, WF_MEDIA_FAILED, "the file's hash is not the one that was named");
    }
    if ((st = wf_vault_end(f->ctx, s->vault)) != WF_OK ||
        (st = wf_media_file_keep(f->ctx, s->file)) != WF_OK) {
        return failed(f, st);
    }
    f->out->done.status = WF_MEDIA_STORED;
    f->out->done.size = s->size;
    f->out->done.mime_type = wf_media_sniff(s->head, s->head_len, f->media->mime_type);
    return WF_FETCH_STORED;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

/* Of an answer that is no file. */
static wf_fetch_verdict_t judge_status(fetch_t *f, const char *what)
{
    int status = f->out->http_status;

    return status == 404 || status == 410
               ? never(f, WF_MEDIA_EXPIRED,
                       apr_psprintf(f->ctx->pool, "%s has gone (HTTP status %d)", what, status))
               : again(f, apr_psprintf(f->ctx->pool, "%s: HTTP status %d", what, status));
}

/* 1: a 2xx reply came; 0: *verdict says what now. */
static int get(fetch_t *f, wf_fetch_verdict_t *verdict, wf_http_request_t *request,
               const char *what)
{
    wf_http_reply_t reply;
    wf_status_t st;

    request->method = "GET";
    request->stop = f->stop;
    st = wf_http_send(f->ctx, &reply, f->service->http, request);
    if (st != WF_OK) {
        /* The guard's refusal is the operator's to mend: it has no public text. */
        *verdict = failed(f, st);
        return 0;
    }
    f->out->http_status = reply.status;
    f->out->retry_after = apr_table_get(reply.headers, "retry-after");
    if (reply.status < 200 || reply.status > 299) {
        *verdict = judge_status(f, what);
        return 0;
    }
    return 1;
}

static int is_allowed(fetch_t *f, wf_fetch_verdict_t *verdict, const char *url)
{
    if (wf_media_url_allowed(f->service->conf.media_hosts, url)) {
        return 1;
    }
    *verdict = never(f, WF_MEDIA_FAILED, "its link leads to a server that is not allowed");
    return 0;
}

/* ---- from the CDN: 3.3 -------------------------------------------------------------------------
 */

typedef struct {
    wf_media_file_t *file;
    wf_media_check_t *check;
} cipher_sink_t;

static wf_status_t keep_cipher(wf_ctx_t *ctx, const void *data, size_t len, void *baton)
{
    cipher_sink_t *sink = baton;

    wf_media_check_add(sink->check, data, len);
    return wf_media_file_write(ctx, data, len, sink->file);
}

static wf_status_t decrypt_piece(wf_ctx_t *ctx, const void *data, size_t len, void *decrypt)
{
    return wf_media_decrypt_add(ctx, decrypt, data, len);
}

static wf_fetch_verdict_t decrypt(fetch_t *f, wf_media_file_t *cipher, uint64_t cipher_len)
{
    wf_media_decrypt_t *d;
    sealer_t sealer;
    wf_status_t st;

    if ((st = sealer_start(f, &sealer)) != WF_OK ||
        (st = wf_media_decrypt_make(f->ctx, &d, &f->media->ref.keys, sealer_add, &sealer)) !=
            WF_OK ||
        (st = wf_media_file_read(f->ctx, cipher, cipher_len, decrypt_piece, d)) != WF_OK ||
        (st = wf_media_decrypt_end(f->ctx, d)) != WF_OK) {
        return failed(f, st);
    }
    return sealer_finish(f, &sealer);
}

/* MAC and hash come at the end of the file: so the ciphertext is put aside first. It cannot be read
 * without the sealed keys, and goes with the pool. */
static wf_fetch_verdict_t fetch_cdn(fetch_t *f)
{
    const char *url = f->media->ref.cdn_url;
    cipher_sink_t sink = {NULL, wf_media_check_make(f->ctx->pool, &f->media->ref.keys)};
    wf_http_request_t request = {.url = url,
                                 .timeout = TIMEOUT,
                                 .sink = keep_cipher,
                                 .sink_baton = &sink,
                                 .sink_max = WF_MEDIA_BYTES_MAX + WF_MEDIA_OVERHEAD};
    wf_fetch_verdict_t verdict;
    uint64_t cipher_len;
    wf_status_t st;

    if (!url) {
        return never(f, WF_MEDIA_FAILED, "its link is not known any more");
    }
    if (!is_allowed(f, &verdict, url)) {
        return verdict;
    }
    st = wf_media_file_make(f->ctx, &sink.file, f->service->conf.media_dir, f->media,
                            WF_MEDIA_CIPHER_SUFFIX);
    if (st != WF_OK) {
        return failed(f, st);
    }
    if (!get(f, &verdict, &request, "the file")) {
        return verdict;
    }
    if ((st = wf_media_check_end(f->ctx, &cipher_len, sink.check)) != WF_OK) {
        return failed(f, st);
    }
    return decrypt(f, sink.file, cipher_len);
}

/* ---- through the Graph API: 3.4
 * ------------------------------------------------------------------ */

/* 1: *link is where the file is; 0: *verdict says what now. */
static int ask_for_link(fetch_t *f, wf_fetch_verdict_t *verdict, const char **link,
                        wf_graph_t *graph)
{
    wf_json_t *doc;
    wf_status_t st = wf_graph_get(f->ctx, &doc, graph,
                                  apr_pstrcat(f->ctx->pool, "/", f->media->ref.media_id, NULL));

    f->out->http_status = graph->http_status;
    f->out->retry_after = graph->retry_after;
    if (st != WF_OK) {
        /* Meta's own words are not for the log: they may name a person's number. */
        *verdict = graph->http_status == 404 || graph->http_status == 410
                       ? judge_status(f, "the file")
                       : again(f, f->ctx->err.detail);
        return 0;
    }
    *link = wf_json_get_str(doc, "url", "");
    return is_allowed(f, verdict, *link);
}

static wf_fetch_verdict_t fetch_graph(fetch_t *f)
{
    wf_graph_t graph = {.service = f->service,
                        .token = (const char *)f->media->access_token.data,
                        .stop = f->stop};
    wf_http_request_t load = {.timeout = TIMEOUT, .sink_max = GRAPH_BYTES_MAX};
    wf_fetch_verdict_t verdict;
    sealer_t sealer;
    wf_status_t st;

    if (f->media->access_token.len == 0) {
        return again(f, "the account has no access token: wflowsctl account set --access-token");
    }
    if (!ask_for_link(f, &verdict, &load.url, &graph)) {
        return verdict;
    }
    if ((st = sealer_start(f, &sealer)) != WF_OK) {
        return failed(f, st);
    }
    load.headers = wf_graph_headers(f->ctx->pool, &graph);
    load.sink = sealer_add;
    load.sink_baton = &sealer;
    /* The link lives for five minutes: the next attempt gets a new one. */
    if (!get(f, &verdict, &load, "the file's link")) {
        return verdict;
    }
    return sealer_finish(f, &sealer);
}

wf_fetch_verdict_t wf_media_fetch_file(wf_ctx_t *ctx, wf_fetch_t *out, const wf_service_t *service,
                                       const wf_media_t *media, volatile apr_uint32_t *stop)
{
    fetch_t f = {ctx, service, media, stop, out};

    memset(out, 0, sizeof(*out));
    return media->ref.source == WF_MEDIA_FROM_CDN ? fetch_cdn(&f) : fetch_graph(&f);
}
