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

/* Appends what a brigade holds; *done at the end of the body. */
static int take(wf_buf_t *buf, int *done, apr_bucket_brigade *bb)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            *done = 1;
            return OK;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        }
        wf_buf_add(buf, data, len);
        if (buf->failed) {
            return HTTP_REQUEST_ENTITY_TOO_LARGE;
        }
    }
    return OK;
}

int wfm_body_read(wf_ctx_t *ctx, wf_slice_t *body, request_rec *r, size_t max)
{
    apr_bucket_brigade *bb;
    size_t expected;
    wf_buf_t buf;
    int status, done = 0;

    body->data = "";
    body->len = 0;
    status = check_headers(r, max, &expected);
    if (status != OK) {
        return status;
    }
    wf_buf_init(&buf, ctx->pool, expected < FIRST_SIZE ? expected : FIRST_SIZE, max);
    bb = apr_brigade_create(ctx->pool, r->connection->bucket_alloc);
    while (status == OK && !done) {
        apr_status_t rv =
            ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, READ_SIZE);

        status = rv == APR_SUCCESS ? take(&buf, &done, bb)
                                   : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        apr_brigade_cleanup(bb);
    }
    apr_brigade_destroy(bb);
    if (status == OK) {
        body->data = buf.data;
        body->len = buf.len;
    }
    return status;
}
