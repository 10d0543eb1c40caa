#include "http/wf_http_int.h"

#include <curl/curl.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Handles that wait for their next use with their connections; more may be in use at a time. */
#define IDLE_MAX 32
#define CONNECTIONS_PER_HANDLE 4
#define HEADERS_MAX ((size_t)64 * 1024)
/* A failure sooner than this, for which the caller's deadline is to blame, proves nothing. */
#define PROOF_MIN apr_time_from_msec(250)

typedef struct {
    CURL *curl;
    char *endpoint; /* last used for; malloc */
} handle_t;

struct wf_http_t {
    wf_http_conf_t conf;
    wf_http_breakers_t *breakers;
    apr_thread_mutex_t *lock; /* guards `idle` */
    handle_t idle[IDLE_MAX];  /* the last is the most recently used */
    int idle_count;
};

/* ---- life --------------------------------------------------------------------------------- */

static apr_status_t destroy(void *data)
{
    wf_http_t *http = data;

    while (http->idle_count > 0) {
        handle_t *handle = &http->idle[--http->idle_count];
        curl_easy_cleanup(handle->curl);
        free(handle->endpoint);
    }
    curl_global_cleanup();
    return APR_SUCCESS;
}

wf_status_t wf_http_make(wf_ctx_t *ctx, wf_http_t **out, apr_pool_t *pool,
                         const wf_http_conf_t *conf)
{
    wf_http_t *http = apr_pcalloc(pool, sizeof(*http));

    *out = NULL;
    if (conf->reply_max == 0) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0111) "HTTP client: no limit for replies is set");
    }
    http->conf = *conf;
    http->breakers = wf_http_breakers_make(pool, conf->breaker_failures, conf->breaker_interval);
    if (!http->breakers ||
        apr_thread_mutex_create(&http->lock, APR_THREAD_MUTEX_UNNESTED, pool) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0112) "HTTP client: no lock");
    }
    /* Counted and, since 7.84, safe beside other users in the process (mod_auth_openidc, mod_md).
     */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0113) "HTTP client: libcurl does not start");
    }
    apr_pool_cleanup_register(pool, http, destroy, apr_pool_cleanup_null);
    *out = http;
    return WF_OK;
}

/* One that has a connection to this endpoint if there is one. A handle is used by one thread at a
 * time; sharing a connection cache between threads is not safe in libcurl 7. */
static CURL *take_handle(wf_http_t *http, const char *endpoint)
{
    CURL *curl = NULL;
    int i;

    apr_thread_mutex_lock(http->lock);
    for (i = http->idle_count - 1; i > 0; i--) {
        if (strcmp(http->idle[i].endpoint, endpoint) == 0) {
            break;
        }
    }
    if (i >= 0) {
        curl = http->idle[i].curl;
        free(http->idle[i].endpoint);
        http->idle_count--;
        memmove(&http->idle[i], &http->idle[i + 1],
                (size_t)(http->idle_count - i) * sizeof(handle_t));
    }
    apr_thread_mutex_unlock(http->lock);
    return curl ? curl : curl_easy_init();
}

static void give_back(wf_http_t *http, CURL *curl, const char *endpoint)
{
    char *copy = strdup(endpoint);

    curl_easy_reset(curl); /* keeps the connections */
    apr_thread_mutex_lock(http->lock);
    if (copy && http->idle_count < IDLE_MAX) {
        http->idle[http->idle_count++] = (handle_t){curl, copy};
        curl = NULL;
        copy = NULL;
    }
    apr_thread_mutex_unlock(http->lock);
    free(copy);
    if (curl) {
        curl_easy_cleanup(curl);
    }
}

/* ---- callbacks ---------------------------------------------------------------------------- */

/* One request on its way. */
typedef struct {
    wf_ctx_t *ctx;
    wf_http_t *http;
    const wf_http_request_t *request;
    const char *endpoint;
    wf_buf_t body;
    apr_table_t *headers;
    size_t header_bytes;
    int is_refused; /* the guard refused an address */
    int is_tried;   /* an allowed one was tried */
    int is_too_big;
    char error[CURL_ERROR_SIZE];
} exchange_t;

/* The wall: every connection passes here with the very address it goes to, so that no spelling of a
 * host and no name that changes between look-up and connect gets round it. */
static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    exchange_t *x = data;
    curl_socket_t fd;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        !wf_http_sockaddr_allowed(x->http->conf.guard, &address->addr)) {
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

static size_t on_body(char *data, size_t size, size_t count, void *baton)
{
    exchange_t *x = baton;

    wf_buf_add(&x->body, data, size * count);
    if (x->body.failed) {
        x->is_too_big = 1;
        return 0;
    }
    return size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *baton)
{
    exchange_t *x = baton;
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

static int is_token(const char *text)
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
    if (!is_token(name) || value[strcspn(value, "\r\n")] || is_ours(name)) {
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

static void set_callbacks(CURL *curl, exchange_t *x)
{
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, x);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->error);
}

/* ---- the outcome -------------------------------------------------------------------------- */

/* The URL is not logged: its path or query may be a secret of the company's. */
static wf_status_t conclude(exchange_t *x, CURLcode code, apr_interval_time_t took)
{
    wf_http_breakers_t *breakers = x->http->breakers;

    if (code == CURLE_OK) {
        wf_http_breaker_succeeded(breakers, x->endpoint);
        return WF_OK;
    }
    if (x->is_refused && !x->is_tried) {
        wf_http_breaker_left(breakers, x->endpoint);
        return wf_fail(
            x->ctx, WF_EDENIED,
            WFLOGNO(0116) "%s: its address is not a public one; allow it by CIDR if it is "
                          "meant to be called",
            x->endpoint);
    }
    if (code == CURLE_OPERATION_TIMEDOUT && took < PROOF_MIN && took < x->request->timeout) {
        wf_http_breaker_left(breakers, x->endpoint);
    } else {
        wf_http_breaker_failed(breakers, x->endpoint);
    }
    if (x->is_too_big) {
        return wf_fail(x->ctx, WF_EUNAVAIL,
                       WFLOGNO(0117) "%s: its reply is over %" APR_SIZE_T_FMT " bytes", x->endpoint,
                       x->http->conf.reply_max);
    }
    return wf_fail(x->ctx, WF_EUNAVAIL, WFLOGNO(0118) "%s: %s", x->endpoint,
                   x->error[0] ? x->error : curl_easy_strerror(code));
}

static wf_status_t perform(exchange_t *x, wf_http_reply_t *out, CURL *curl,
                           apr_interval_time_t timeout)
{
    struct curl_slist *headers = NULL;
    apr_time_t started = wf_monotonic();
    wf_status_t st = make_headers(x->ctx, &headers, x->request);
    CURLcode code;
    long status = 0;

    if (st != WF_OK) {
        wf_http_breaker_left(x->http->breakers, x->endpoint);
        curl_slist_free_all(headers);
        return st;
    }
    set_policy(curl);
    set_bounds(curl, timeout);
    set_callbacks(curl, x);
    set_method(curl, x->request);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    code = curl_easy_setopt(curl, CURLOPT_URL, x->request->url);
    if (code == CURLE_OK) {
        code = curl_easy_perform(curl);
    }
    out->took = wf_monotonic() - started;
    st = conclude(x, code, out->took);
    if (st == WF_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        out->status = (int)status;
        out->body = x->body.data;
        out->body_len = x->body.len;
        out->headers = x->headers;
    }
    curl_slist_free_all(headers);
    return st;
}

wf_status_t wf_http_send(wf_ctx_t *ctx, wf_http_reply_t *out, wf_http_t *http,
                         const wf_http_request_t *request)
{
    apr_interval_time_t timeout = wf_time_left(ctx, request->timeout);
    exchange_t x = {.ctx = ctx, .http = http, .request = request};
    const char *fault = wf_http_url_parse(ctx->pool, &x.endpoint, request->url);
    wf_status_t st;
    CURL *curl;

    memset(out, 0, sizeof(*out));
    if (fault) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0119) "HTTP client: %s", fault);
    }
    if (!is_token(request->method)) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0120) "HTTP client: '%.20s' is not a method",
                       request->method);
    }
    if (timeout <= 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0121) "%s: no time left", x.endpoint);
    }
    if (!wf_http_breaker_enter(http->breakers, x.endpoint)) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0122) "%s: failed a moment ago, not tried",
                       x.endpoint);
    }
    curl = take_handle(http, x.endpoint);
    if (!curl) {
        wf_http_breaker_left(http->breakers, x.endpoint);
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0123) "HTTP client: no memory");
    }
    wf_buf_init(&x.body, ctx->pool, 4096, http->conf.reply_max);
    x.headers = apr_table_make(ctx->pool, 16);
    st = perform(&x, out, curl, timeout);
    give_back(http, curl, x.endpoint);
    return st;
}
