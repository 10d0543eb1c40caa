/* Files that users sent. */
#include "wfa.h"

#include "store/wf_media_store.h"

#include <apr_lib.h>
#include <string.h>

APLOG_USE_MODULE(wflows_admin);

wf_status_t wfa_media_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_media);
}

wf_status_t wfa_media_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_find(call, reply, &wf_record_media);
}

/* ---- content ----------------------------------------------------------------------------------- */

/* The type is what the sender said: nothing that a browser would run is let through, and it is told not to
 * guess (nosniff) and to save (attachment). */
static const char *safe_type(const char *type)
{
    static const char *const types[] = {"image/", "audio/", "video/", "application/pdf"};
    size_t i;

    for (i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strncmp(type, types[i], strlen(types[i])) == 0 && !strstr(type, "svg") &&
            strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789/.+-") == strlen(type)) {
            return type;
        }
    }
    return "application/octet-stream";
}

/* RFC 6266: the name in ASCII without anything special, and the whole of it percent-encoded. */
static const char *disposition(apr_pool_t *pool, const wf_media_t *media)
{
    const char *name = media->file_name ? media->file_name : media->id, *c;
    char *plain = apr_pstrdup(pool, name), *p;
    wf_buf_t coded;

    wf_buf_init(&coded, pool, 64, 4096);
    for (p = plain; *p; p++) {
        if (!apr_isalnum(*p) && !strchr(".-_ ", *p)) {
            *p = '_';
        }
    }
    for (c = name; *c; c++) {
        if (apr_isalnum(*c) || strchr(".-_", *c)) {
            wf_buf_putc(&coded, *c);
        } else {
            wf_buf_printf(&coded, "%%%02X", (unsigned char)*c);
        }
    }
    return apr_pstrcat(pool, "attachment; filename=\"", plain, "\"; filename*=UTF-8''", coded.data,
                       NULL);
}

typedef struct {
    request_rec *r;
    const wf_media_t *media;
    int begun;
} download_t;

static void begin(download_t *d)
{
    request_rec *r = d->r;

    d->begun = 1;
    ap_set_content_type(r, safe_type(d->media->mime_type));
    ap_set_content_length(r, (apr_off_t)d->media->size);
    apr_table_setn(r->headers_out, "Content-Disposition", disposition(r->pool, d->media));
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->err_headers_out, "Cache-Control", "private, no-store");
}

/* Flushed piece by piece: what is not sent yet must not gather in memory. */
static wf_status_t send_piece(wf_ctx_t *ctx, const void *data, size_t len, void *baton)
{
    download_t *d = baton;

    if (!d->begun) {
        begin(d);
    }
    if (d->r->connection->aborted || ap_rwrite(data, (int)len, d->r) < 0 || ap_rflush(d->r) < 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(3052) "the reader of a file has gone");
    }
    return WF_OK;
}

wf_status_t wfa_media_content(wfa_call_t *call, wfa_reply_t *reply)
{
    const wf_service_t *service = call->service;
    download_t d = {.r = call->r};
    wf_media_t *media;
    wf_json_t *doc;
    wf_status_t st = wfa_record(call, &doc, &wf_record_media, call->id);

    if (st != WF_OK) {
        return st;
    }
    if (!service->conf.media_dir) {
        return wf_fail_public(call->ctx, WF_EUNAVAIL,
                              WFLOGNO(3053) "this server has no WflowsFlowMediaDir");
    }
    st = wf_media_open(call->ctx, &media, service->store, service->ring, call->company_id, call->id,
                       &call->actor);
    if (st != WF_OK) {
        return st;
    }
    d.media = media;
    call->ctx->deadline = 0;
    st = wf_media_file_open(call->ctx, service->conf.media_dir, media, send_piece, &d);
    if (st == WF_OK && !d.begun) {
        begin(&d); /* a file without a byte */
    }
    if (st != WF_OK && d.begun) {
        wfa_break_off(call->r);
    }
    reply->sent = d.begun;
    return st;
}
