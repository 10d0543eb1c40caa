#include "httpd/wfm.h"

#include <apr_buckets.h>
#include <apr_lib.h>
#include <string.h>

#include <http_protocol.h>

#define READ_SIZE (32 * 1024)
/* A body is not believed to be as long as its Content-Length says before it has come: nobody may
 * make us reserve megabytes with a header. */
#define FIRST_SIZE (64 * 1024)

/* Content-Length and Content-Encoding, before a byte is read (and before a 100 Continue is sent).
 */
static int check_headers(request_rec *r, size_t max, size_t *expected)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    const char *encoding = apr_table_get(r->headers_in, "Content-Encoding");
    apr_off_t n = 0;

    *expected = 0;
    if (encoding && *encoding && ap_cstr_casecmp(encoding, "identity") != 0) {
        return HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    if (!length) {
        return OK;
    }
    if (!ap_parse_strict_length(&n, length)) {
        return HTTP_BAD_REQUEST;
    }
    if (n > (apr_off_t)max) {
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    *expected = (size_t)n;
    return OK;
}

/* Where the bytes of a body go. */
typedef struct {
    wf_ctx_t *ctx;
    wf_bytes_fn *sink;
    void *baton;
    size_t left; /* of the maximum */
    wf_status_t status;
    int done; /* the end of the body */
} taking_t;

/* Hands on what a brigade holds. */
static int take(taking_t *t, apr_bucket_brigade *bb)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            t->done = 1;
            return OK;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        }
        if (len > t->left) {
            return HTTP_REQUEST_ENTITY_TOO_LARGE;
        }
        t->left -= len;
        t->status = t->sink(t->ctx, data, len, t->baton);
        if (t->status != WF_OK) {
            t->done = 1;
            return OK;
        }
    }
    return OK;
}

static int read_all(taking_t *t, request_rec *r)
{
    apr_bucket_brigade *bb = apr_brigade_create(t->ctx->pool, r->connection->bucket_alloc);
    int status = OK;

    while (status == OK && !t->done) {
        apr_status_t rv =
            ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, READ_SIZE);

        status = rv == APR_SUCCESS ? take(t, bb) : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        apr_brigade_cleanup(bb);
    }
    apr_brigade_destroy(bb);
    return status;
}

int wfm_body_stream(wf_ctx_t *ctx, wf_status_t *sunk, request_rec *r, size_t max,
                    wf_bytes_fn *sink, void *baton)
{
    taking_t t = {ctx, sink, baton, max, WF_OK, 0};
    size_t expected;
    int status = check_headers(r, max, &expected);

    if (status == OK) {
        status = read_all(&t, r);
    }
    *sunk = t.status;
    return status;
}

static wf_status_t append(wf_ctx_t *ctx, const void *data, size_t len, void *baton)
{
    wf_buf_add(baton, data, len);
    return WF_OK;
}

int wfm_body_read(wf_ctx_t *ctx, wf_slice_t *body, request_rec *r, size_t max)
{
    size_t expected;
    wf_buf_t buf;
    taking_t t = {ctx, append, &buf, max, WF_OK, 0};
    int status;

    body->data = "";
    body->len = 0;
    status = check_headers(r, max, &expected);
    if (status != OK) {
        return status;
    }
    wf_buf_init(&buf, ctx->pool, expected < FIRST_SIZE ? expected : FIRST_SIZE, max);
    status = read_all(&t, r);
    if (status == OK) {
        body->data = buf.data;
        body->len = buf.len;
    }
    return status;
}
