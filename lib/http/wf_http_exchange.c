#include "http/wf_http_int.h"

#include <apr_atomic.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECTIONS_PER_HANDLE 4
#define HEADERS_MAX ((size_t)64 * 1024)
/* Of a reply that is over its limit, so much more is read to keep the connection. */
#define DRAIN_MAX ((size_t)256 * 1024)

/* ---- callbacks ---------------------------------------------------------------------------- */

/* The wall: every connection passes here with the very address it goes to, so that no spelling of a
 * host and no name that changes between look-up and connect gets round it. */
static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    wf_http_exchange_t *x = data;
    curl_socket_t fd;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        (!x->request->is_operators && !wf_http_sockaddr_allowed(x->guard, &address->addr))) {
        x->is_refused = 1;
        return CURL_SOCKET_BAD;
    }
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) {
        return CURL_SOCKET_BAD;
    }
    x->is_tried = 1;
    return fd;
}

static int is_for_sink(const wf_http_exchange_t *x)
{
    long status = 0;

    return x->request->sink &&
           curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
           status >= 200 && status <= 299;
}

static size_t give_to_sink(wf_http_exchange_t *x, const char *data, size_t len)
{
    const wf_http_request_t *request = x->request;

    x->sink_len += len;
    x->sink_status = x->sink_len > request->sink_max
                         ? wf_fail_public(x->ctx, WF_ELIMIT,
                                          WFLOGNO(0539) "the file is over %" APR_UINT64_T_FMT
                                                        " bytes",
                                          (apr_uint64_t)request->sink_max)
                         : request->sink(x->ctx, data, len, request->sink_baton);
    return x->sink_status == WF_OK ? len : 0;
}

/* Called now and then while a request is on its way; not 0 ends it. */
static int on_progress(void *baton, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    const wf_http_exchange_t *x = baton;

    return apr_atomic_read32(x->request->stop) != 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *baton)
{
    wf_http_exchange_t *x = baton;

    size_t len = size * count;

    if (is_for_sink(x)) {
        return give_to_sink(x, data, len);
    }
    if (x->keeps_first) {
        size_t room = x->body.max - x->body.len;

        wf_buf_add(&x->body, data, len < room ? len : room);
        x->dropped += len < room ? 0 : len - room;
        x->is_too_big = x->dropped > DRAIN_MAX;
        return x->is_too_big ? 0 : len;
    }
    wf_buf_add(&x->body, data, len);
    if (x->body.failed) {
        x->is_too_big = 1;
        return 0;
    }
    return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *baton)
{
    wf_http_exchange_t *x = baton;
    size_t len = size * count;
    const char *colon = memchr(data, ':', len), *value, *end;
    char *name, *c;

    x->header_bytes += len;
    if (x->header_bytes > HEADERS_MAX) {
        x->is_too_big = 1;
        return 0;
    }
    /* A status line begins a new set: what came before belonged to a 1xx. */
    if (len > 5 && strncmp(data, "HTTP/", 5) == 0) {
        apr_table_clear(x->headers);
        return len;
    }
    if (!colon) {
        return len;
    }
    name = apr_pstrmemdup(x->ctx->pool, data, (size_t)(colon - data));
    for (c = name; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    value = colon + 1;
    end = data + len;
    while (value < end && isspace((unsigned char)*value)) {
        value++;
    }
    while (end > value && isspace((unsigned char)end[-1])) {
        end--;
    }
    apr_table_mergen(x->headers, name, apr_pstrmemdup(x->ctx->pool, value, (size_t)(end - value)));
    return len;
}

/* ---- the request -------------------------------------------------------------------------- */

int wf_http_is_token(const char *text)
{
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789"
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return *text && text[strspn(text, tokens)] == '\0';
}

/* Those that say how the message is framed and where it goes are libcurl's to set. */
static int is_ours(const char *name)
{
    static const char *const names[] = {"host",       "content-length", "transfer-encoding",
                                        "connection", "upgrade",        "te",
                                        "trailer",    "expect",         "proxy-authorization"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

typedef struct {
    wf_ctx_t *ctx;
    struct curl_slist *list;
    wf_status_t st;
} header_list_t;

static int append(header_list_t *headers, const char *line)
{
    struct curl_slist *longer = curl_slist_append(headers->list, line);

    if (!longer) {
        headers->st = wf_fail(headers->ctx, WF_EINTERNAL, WFLOGNO(0114) "HTTP client: no memory");
        return 0;
    }
    headers->list = longer;
    return 1;
}

static int append_header(void *baton, const char *name, const char *value)
{
    header_list_t *headers = baton;

    /* A line break in a value would smuggle a header, or a whole request, into the connection. */
    if (!wf_http_is_token(name) || value[strcspn(value, "\r\n")] || is_ours(name)) {
        headers->st = wf_fail(headers->ctx, WF_EINVALID,
                              WFLOGNO(0115) "HTTP client: the header '%.40s' cannot be sent", name);
        return 0;
    }
    /* "Name;" is libcurl's way of writing a header without value. */
    return append(headers, *value ? apr_pstrcat(headers->ctx->pool, name, ": ", value, NULL)
                                  : apr_pstrcat(headers->ctx->pool, name, ";", NULL));
}

/* The caller frees the list, after a failure too. */
static wf_status_t make_headers(wf_ctx_t *ctx, struct curl_slist **out,
                                const wf_http_request_t *request)
{
    header_list_t headers = {.ctx = ctx, .st = WF_OK};
    const char *type = request->headers ? apr_table_get(request->headers, "Content-Type") : NULL;

    if (request->headers) {
        apr_table_do(append_header, &headers, request->headers, NULL);
    }
    /* Waiting for "100 Continue" costs a round trip; a form is not what is sent here. */
    if (headers.st == WF_OK && append(&headers, "Expect:") && !type) {
        (void)append(&headers, "Content-Type:");
    }
    *out = headers.list;
    return headers.st;
}

static void set_method(CURL *curl, const wf_http_request_t *request)
{
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body_len > 0 || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body_len > 0 ? request->body : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_bounds(CURL *curl, apr_interval_time_t timeout)
{
    long ms = (long)((timeout + 999) / 1000);

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, ms);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)CONNECTIONS_PER_HANDLE);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Without it a name server that does not answer holds the thread beyond the timeout. */
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
#endif
}

/* Nothing but plain HTTP to exactly the host that was named. */
static void set_policy(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "wflows");
}

static void set_callbacks(CURL *curl, wf_http_exchange_t *x)
{
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, x);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->error);
    if (x->request->stop) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    }
}

/* ---- one exchange ------------------------------------------------------------------------- */

wf_status_t wf_http_exchange_check(wf_ctx_t *ctx, wf_http_exchange_t *x)
{
    const char *fault = wf_http_url_parse(ctx->pool, &x->endpoint, x->request->url);

    x->ctx = ctx;
    if (fault) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0119) "HTTP client: %s", fault);
    }
    if (!wf_http_is_token(x->request->method)) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0120) "HTTP client: '%.20s' is not a method",
                       x->request->method);
    }
    x->timeout = wf_time_left(ctx, x->request->timeout);
    if (x->timeout <= 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0121) "%s: no time left", x->endpoint);
    }
    return WF_OK;
}

wf_status_t wf_http_exchange_begin(wf_http_exchange_t *x, CURL *curl, size_t reply_max)
{
    wf_status_t st;

    wf_buf_init(&x->body, x->ctx->pool, 4096, reply_max);
    x->headers = apr_table_make(x->ctx->pool, 16);
    x->curl = curl;
    if ((st = make_headers(x->ctx, &x->header_list, x->request)) != WF_OK) {
        return st;
    }
    set_policy(curl);
    set_bounds(curl, x->timeout);
    set_callbacks(curl, x);
    set_method(curl, x->request);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, x->request->is_once ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, x->header_list);
    if (curl_easy_setopt(curl, CURLOPT_URL, x->request->url) != CURLE_OK) {
        return wf_fail(x->ctx, WF_EINTERNAL, WFLOGNO(0123) "HTTP client: no memory");
    }
    x->started = wf_monotonic();
    return WF_OK;
}

/* The URL is not logged: its path or query may be a secret of the company's. */
wf_status_t wf_http_exchange_end(wf_http_reply_t *out, wf_http_exchange_t *x, CURLcode code)
{
    long status = 0, sent = 0;

    memset(out, 0, sizeof(*out));
    curl_slist_free_all(x->header_list);
    x->header_list = NULL;
    out->took = x->started ? wf_monotonic() - x->started : 0;
    /* The head is here and enough of the body: that the rest was not read is our choice. */
    if (code == CURLE_OK || (x->keeps_first && x->dropped > DRAIN_MAX)) {
        curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
        out->status = (int)status;
        out->body = x->body.data;
        out->body_len = x->body.len;
        out->headers = x->headers;
        return WF_OK;
    }
    out->is_sent = curl_easy_getinfo(x->curl, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent > 0;
    if (x->sink_status != WF_OK) {
        return x->sink_status;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return wf_fail(x->ctx, WF_EUNAVAIL, WFLOGNO(0540) "%s: ended, the server stops",
                       x->endpoint);
    }
    if (x->is_refused && !x->is_tried) {
        return wf_fail(
            x->ctx, WF_EDENIED,
            WFLOGNO(0116) "%s: its address is not a public one; allow it by CIDR if it is "
                          "meant to be called",
            x->endpoint);
    }
    if (x->is_too_big) {
        return wf_fail(x->ctx, WF_EUNAVAIL,
                       WFLOGNO(0117) "%s: its reply is over %" APR_SIZE_T_FMT " bytes", x->endpoint,
                       x->body.max);
    }
    return wf_fail(x->ctx, WF_EUNAVAIL, WFLOGNO(0118) "%s: %s", x->endpoint,
                   x->error[0] ? x->error : curl_easy_strerror(code));
}
