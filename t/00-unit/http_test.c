#include "wf_test.h"

#include "http/wf_http.h"

#include <apr_thread_proc.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS(n) apr_time_from_msec(n)
#define REPLY_MAX 10000

/* ---- guard -------------------------------------------------------------------------------- */

static wf_http_guard_t *guard_of(const char *a, const char *b)
{
    apr_array_header_t *cidrs = apr_array_make(test_pool, 2, sizeof(const char *));
    wf_http_guard_t *guard;

    if (a) {
        APR_ARRAY_PUSH(cidrs, const char *) = a;
    }
    if (b) {
        APR_ARRAY_PUSH(cidrs, const char *) = b;
    }
    ck_assert_int_eq(wf_http_guard_make(test_ctx, &guard, test_pool, cidrs), WF_OK);
    return guard;
}

START_TEST(the_guard_lets_public_addresses_through_and_no_others)
{
    static const char *const public[] = {
        "1.1.1.1",     "9.255.255.255",   "11.0.0.0",       "100.63.255.255", "100.128.0.0",
        "126.0.0.1",   "128.0.0.1",       "172.15.255.255", "172.32.0.0",     "169.253.0.1",
        "192.0.1.1",   "192.167.1.1",     "192.169.1.1",    "198.17.255.255", "198.20.0.0",
        "223.255.1.1", "2606:4700::1111", "2a00:1450::1",   "2001:200::1",    "2003::1",
        "2001:db7::1", "3ffe::1"};
    static const char *const special[] = {"0.0.0.0",
                                          "0.1.2.3",
                                          "10.0.0.1",
                                          "10.255.255.255",
                                          "100.64.0.1",
                                          "100.127.255.255",
                                          "127.0.0.1",
                                          "127.255.255.254",
                                          "169.254.169.254",
                                          "172.16.0.1",
                                          "172.31.255.255",
                                          "192.0.0.1",
                                          "192.0.2.1",
                                          "192.88.99.1",
                                          "192.168.0.1",
                                          "198.18.0.1",
                                          "198.19.255.255",
                                          "198.51.100.7",
                                          "203.0.113.7",
                                          "224.0.0.1",
                                          "239.1.1.1",
                                          "240.0.0.1",
                                          "255.255.255.255",
                                          "::",
                                          "::1",
                                          "::ffff:127.0.0.1",
                                          "::ffff:8.8.8.8",
                                          "::127.0.0.1",
                                          "64:ff9b::7f00:1",
                                          "64:ff9b::808:808",
                                          "64:ff9b:1::1",
                                          "100::1",
                                          "2001::1",
                                          "2001:0:53aa::1",
                                          "2001:10::1",
                                          "2001:db8::1",
                                          "2002:7f00:1::",
                                          "2002:808:808::1",
                                          "3fff:fff::1",
                                          "5f00::1",
                                          "fc00::1",
                                          "fd12:3456::1",
                                          "fe80::1",
                                          "fec0::1",
                                          "ff02::1",
                                          "",
                                          "localhost",
                                          "1.1.1",
                                          "1.1.1.1 "};
    wf_http_guard_t *guard = guard_of(NULL, NULL);
    size_t i;

    for (i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
        ck_assert_msg(wf_http_address_allowed(guard, public[i]), "%s", public[i]);
    }
    for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        ck_assert_msg(!wf_http_address_allowed(guard, special[i]), "%s", special[i]);
    }
    ck_assert(!wf_http_address_allowed(guard, NULL));
    ck_assert(!wf_http_address_allowed(NULL, "10.0.0.1"));
    ck_assert(wf_http_address_allowed(NULL, "8.8.8.8"));
}
END_TEST

START_TEST(a_cidr_opens_exactly_its_network)
{
    wf_http_guard_t *guard = guard_of("10.20.0.0/15", "fd00:1::/33");

    ck_assert(wf_http_address_allowed(guard, "10.20.0.0"));
    ck_assert(wf_http_address_allowed(guard, "10.21.255.255"));
    ck_assert(!wf_http_address_allowed(guard, "10.19.255.255"));
    ck_assert(!wf_http_address_allowed(guard, "10.22.0.0"));
    ck_assert(!wf_http_address_allowed(guard, "::ffff:10.20.0.1"));
    ck_assert(wf_http_address_allowed(guard, "fd00:1:7fff::1"));
    ck_assert(!wf_http_address_allowed(guard, "fd00:1:8000::1"));
    ck_assert(wf_http_address_allowed(guard, "8.8.8.8"));
    guard = guard_of("127.0.0.1", "::1");
    ck_assert(wf_http_address_allowed(guard, "127.0.0.1"));
    ck_assert(!wf_http_address_allowed(guard, "127.0.0.2"));
    ck_assert(wf_http_address_allowed(guard, "::1"));
    guard = guard_of("0.0.0.0/0", "::/0");
    ck_assert(wf_http_address_allowed(guard, "127.0.0.1"));
    ck_assert(wf_http_address_allowed(guard, "fe80::1"));
}
END_TEST

START_TEST(a_bad_cidr_is_named)
{
    static const char *const bad[] = {"",           "x",         "10.0.0.0/33", "10.0.0.0/-1",
                                      "10.0.0.0/",  "10.0.0/8",  "fd00::/129",  "10.0.0.1/8",
                                      "fd00::1/64", "1.2.3.4/x", "example.com", "10.0.0.0/8/8"};
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        apr_array_header_t *cidrs = apr_array_make(test_pool, 1, sizeof(const char *));
        wf_http_guard_t *guard;

        ck_assert_msg(wf_http_cidr_check(test_pool, bad[i]) != NULL, "%s", bad[i]);
        APR_ARRAY_PUSH(cidrs, const char *) = bad[i];
        wf_ctx_clear(test_ctx);
        ck_assert_int_eq(wf_http_guard_make(test_ctx, &guard, test_pool, cidrs), WF_EINVALID);
        ck_assert_ptr_null(guard);
        ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, bad[i]));
    }
    ck_assert_ptr_nonnull(wf_http_cidr_check(test_pool, NULL));
    ck_assert_ptr_null(wf_http_cidr_check(test_pool, "10.0.0.0/8"));
    ck_assert_ptr_null(wf_http_cidr_check(test_pool, "::1"));
}
END_TEST

/* ---- a small server on loopback ------------------------------------------------------------- */

static struct {
    int listener;
    int port;
    atomic_int connections;
    atomic_int requests;
    atomic_int fails; /* hang up instead of answering */
    atomic_int is_over;
    apr_pool_t *pool; /* its accepting thread's */
    char last[8192];  /* the last request, head and body */
} server;

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Answers by the path of the request. Returns 0 to hang up. */
static int answer(int fd, const char *request)
{
    const char *path = strchr(request, ' ');
    int i;

    server.requests++;
    if (server.fails || !path) {
        return 0;
    }
    path++;
    if (strncmp(path, "/redirect", 9) == 0) {
        char text[128];

        snprintf(text, sizeof(text),
                 "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/target\r\n"
                 "Content-Length: 0\r\n\r\n",
                 server.port);
        say(fd, text);
    } else if (strncmp(path, "/slow", 5) == 0) {
        poll(NULL, 0, 1500);
        return 0;
    } else if (strncmp(path, "/drip", 5) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for (i = 0; i < 100 && !server.is_over; i++) {
            say(fd, "x");
            poll(NULL, 0, 30);
        }
        return 0;
    } else if (strncmp(path, "/big", 4) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        for (i = 0; i < 2000; i++) {
            say(fd, "0123456789");
        }
        return 0;
    } else if (strncmp(path, "/headers", 8) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\n");
        for (i = 0; i < 2000; i++) {
            say(fd, "X-Filler: 0123456789012345678901234567890123456789\r\n");
        }
        return 0;
    } else if (strncmp(path, "/gone", 5) == 0) {
        say(fd, "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\nRetry-After:  7 \r\nX-A: 1\r\n"
                "x-a: 2\r\n\r\nbye\n");
    } else {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello");
    }
    return 1;
}

/* Reads one request with its body; 0 at the end of the connection. */
static int read_request(int fd, char *out, size_t size)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = recv(fd, out + len, size - 1 - len, 0);
        char *end, *length;

        if (n <= 0) {
            return 0;
        }
        len += (size_t)n;
        out[len] = '\0';
        end = strstr(out, "\r\n\r\n");
        if (end) {
            length = strcasestr(out, "Content-Length:");
            if (len >= (size_t)(end + 4 - out) + (length ? strtoul(length + 15, NULL, 10) : 0)) {
                return 1;
            }
        }
    }
}

static void *APR_THREAD_FUNC serve_one(apr_thread_t *thread, void *data)
{
    int fd = (int)(intptr_t)data;
    char request[8192];

    while (read_request(fd, request, sizeof(request))) {
        pthread_mutex_lock(&last_lock);
        memcpy(server.last, request, sizeof(request));
        pthread_mutex_unlock(&last_lock);
        if (!answer(fd, request)) {
            break;
        }
    }
    shutdown(fd, SHUT_RDWR);
    close(fd);
    return NULL;
}

static void *APR_THREAD_FUNC serve(apr_thread_t *thread, void *data)
{
    int fd;

    while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
        apr_thread_t *one;

        server.connections++;
        apr_thread_create(&one, NULL, serve_one, (void *)(intptr_t)fd, server.pool);
    }
    return NULL;
}

/* Each test has its own server, in its own process, which ends with it. */
static void start_server(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    apr_thread_t *thread;

    memset(&server, 0, sizeof(server));
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(server.listener, 64), 0);
    getsockname(server.listener, (struct sockaddr *)&a, &len);
    server.port = ntohs(a.sin_port);
    apr_pool_create(&server.pool, NULL);
    ck_assert_int_eq(apr_thread_create(&thread, NULL, serve, NULL, server.pool), APR_SUCCESS);
}

static void stop_server(void)
{
    server.is_over = 1;
    shutdown(server.listener, SHUT_RDWR);
    close(server.listener);
}

static wf_http_t *client(const wf_http_guard_t *guard, int breaker_failures)
{
    wf_http_conf_t conf = {.guard = guard,
                           .reply_max = REPLY_MAX,
                           .breaker_failures = breaker_failures,
                           .breaker_interval = MS(300)};
    wf_http_t *http;

    ck_assert_int_eq(wf_http_make(test_ctx, &http, test_pool, &conf), WF_OK);
    return http;
}

static wf_http_t *local_client(void)
{
    return client(guard_of("127.0.0.0/8", NULL), 0);
}

static wf_status_t get(wf_http_reply_t *out, wf_http_t *http, const char *url)
{
    wf_http_request_t request = {.method = "GET", .url = url, .timeout = MS(5000)};

    wf_ctx_clear(test_ctx);
    return wf_http_send(test_ctx, out, http, &request);
}

static const char *local(const char *path)
{
    return apr_psprintf(test_pool, "http://127.0.0.1:%d%s", server.port, path);
}

START_TEST(a_request_goes_out_as_it_was_asked_for)
{
    wf_http_t *http = local_client();
    apr_table_t *headers = apr_table_make(test_pool, 2);
    wf_http_request_t request = {.method = "POST",
                                 .url = local("/hook?x=1"),
                                 .headers = headers,
                                 .body = "{\"a\":1}",
                                 .body_len = 7,
                                 .timeout = MS(2000)};
    wf_http_reply_t reply;

    apr_table_set(headers, "Content-Type", "application/json");
    apr_table_set(headers, "webhook-id", "msg_1");
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_OK);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(reply.body, "hello");
    ck_assert_uint_eq(reply.body_len, 5);
    ck_assert_str_eq(apr_table_get(reply.headers, "content-type"), "text/plain");
    ck_assert_int_eq(strncmp(server.last, "POST /hook?x=1 HTTP/1.1\r\n", 25), 0);
    ck_assert_ptr_nonnull(strstr(server.last, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(server.last, "\r\nwebhook-id: msg_1\r\n"));
    ck_assert_ptr_nonnull(strstr(server.last, "\r\n\r\n{\"a\":1}"));
    ck_assert_ptr_null(strcasestr(server.last, "Expect:"));

    request = (wf_http_request_t){.method = "DELETE", .url = local("/x"), .timeout = MS(2000)};
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_OK);
    ck_assert_int_eq(strncmp(server.last, "DELETE /x HTTP/1.1\r\n", 20), 0);
    request.method = "POST";
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_OK);
    ck_assert_ptr_nonnull(strstr(server.last, "\r\nContent-Length: 0\r\n"));
    ck_assert_ptr_null(strcasestr(server.last, "\r\nContent-Type:"));
    /* All over one connection. */
    ck_assert_int_eq(server.connections, 1);
}
END_TEST

START_TEST(any_status_is_a_reply_and_a_redirect_is_not_followed)
{
    wf_http_t *http = local_client();
    wf_http_reply_t reply;

    ck_assert_int_eq(get(&reply, http, local("/gone")), WF_OK);
    ck_assert_int_eq(reply.status, 410);
    ck_assert_str_eq(apr_table_get(reply.headers, "retry-after"), "7");
    ck_assert_str_eq(apr_table_get(reply.headers, "x-a"), "1, 2");
    ck_assert_int_eq(get(&reply, http, local("/redirect")), WF_OK);
    ck_assert_int_eq(reply.status, 302);
    ck_assert_int_eq(server.requests, 2);
    ck_assert_ptr_null(strstr(server.last, "/target"));
}
END_TEST

START_TEST(no_spelling_of_a_forbidden_address_gets_a_connection)
{
    static const char *const hosts[] = {"127.0.0.1",
                                        "127.1",
                                        "0x7f.1",
                                        "0177.0.0.1",
                                        "2130706433",
                                        "0x7f000001",
                                        "localhost",
                                        "LOCALHOST.",
                                        "0",
                                        "[::1]",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]",
                                        "[0:0:0:0:0:0:0:1]",
                                        "127.0.0.1.",
                                        "%31%32%37.0.0.1"};
    wf_http_t *http = client(guard_of("10.0.0.0/8", NULL), 1);
    wf_http_reply_t reply;
    size_t i;

    for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        const char *url = apr_psprintf(test_pool, "http://%s:%d/secret", hosts[i], server.port);
        wf_status_t st = get(&reply, http, url);

        /* What libcurl cannot resolve at all is as good. */
        ck_assert_msg(st == WF_EDENIED || st == WF_EUNAVAIL || st == WF_EINVALID, "%s: %d", url,
                      st);
        ck_assert_msg(i > 5 || st == WF_EDENIED, "%s: %d %s", url, st, test_ctx->err.detail);
        ck_assert_ptr_null(strstr(test_ctx->err.detail, "/secret"));
        ck_assert_int_eq(reply.status, 0);
        ck_assert_ptr_null(reply.body);
    }
    /* A refusal is no failure of the endpoint: it stays a refusal. */
    ck_assert_int_eq(get(&reply, http, local("/")), WF_EDENIED);
    ck_assert_int_eq(server.connections, 0);
}
END_TEST

START_TEST(a_proxy_of_the_environment_is_not_used)
{
    wf_http_reply_t reply;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    ck_assert_int_eq(get(&reply, local_client(), local("/")), WF_OK);
}
END_TEST

START_TEST(a_slow_server_is_given_up_at_the_timeout_or_the_deadline)
{
    wf_http_t *http = local_client();
    wf_http_request_t request = {.method = "GET", .url = local("/slow"), .timeout = MS(200)};
    wf_http_reply_t reply;
    apr_time_t started = wf_monotonic();

    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_EUNAVAIL);
    ck_assert_int_ge(wf_monotonic() - started, MS(190));
    ck_assert_int_lt(wf_monotonic() - started, MS(600));
    ck_assert_int_ge(reply.took, MS(190));
    request.url = local("/drip");
    started = wf_monotonic();
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(600));
    request.timeout = MS(5000);
    test_ctx->deadline = apr_time_now() + MS(100);
    started = wf_monotonic();
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(500));
    test_ctx->deadline = apr_time_now() - MS(1);
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_EUNAVAIL);
    ck_assert_int_le(server.requests, 3);
}
END_TEST

START_TEST(a_reply_over_the_limit_fails_the_request)
{
    wf_http_t *http = local_client();
    wf_http_reply_t reply;

    ck_assert_int_eq(get(&reply, http, local("/big")), WF_EUNAVAIL);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "10000"));
    ck_assert_ptr_null(reply.body);
    ck_assert_int_eq(get(&reply, http, local("/headers")), WF_EUNAVAIL);
    ck_assert_int_eq(get(&reply, http, local("/")), WF_OK);
}
END_TEST

START_TEST(what_would_break_the_framing_of_a_request_is_refused)
{
    static const char *const bad[][2] = {{"X-A", "b\r\nX-C: d"},
                                         {"X-A", "b\nc"},
                                         {"X A", "b"},
                                         {"X-A:", "b"},
                                         {"", "b"},
                                         {"Host", "evil"},
                                         {"content-length", "5"},
                                         {"Transfer-Encoding", "chunked"}};
    wf_http_t *http = local_client();
    wf_http_reply_t reply;
    wf_http_request_t request = {.method = "GET", .url = local("/"), .timeout = MS(1000)};
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        apr_table_t *headers = apr_table_make(test_pool, 1);

        apr_table_set(headers, bad[i][0], bad[i][1]);
        request.headers = headers;
        ck_assert_msg(wf_http_send(test_ctx, &reply, http, &request) == WF_EINVALID, "%s",
                      bad[i][0]);
    }
    request.headers = NULL;
    request.method = "GET /x";
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_EINVALID);
    request.method = "GET";
    request.url = "ftp://127.0.0.1/";
    ck_assert_int_eq(wf_http_send(test_ctx, &reply, http, &request), WF_EINVALID);
    ck_assert_int_eq(server.connections, 0);
}
END_TEST

START_TEST(an_endpoint_that_keeps_failing_is_left_alone_and_then_probed_once)
{
    wf_http_t *http = client(guard_of("127.0.0.0/8", NULL), 3);
    wf_http_reply_t reply;
    int i;

    server.fails = 1;
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(get(&reply, http, local("/")), WF_EUNAVAIL);
    }
    server.requests = 0;
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(get(&reply, http, local("/other")), WF_EUNAVAIL);
    }
    ck_assert_int_eq(server.requests, 0);
    apr_sleep(MS(310));
    ck_assert_int_eq(get(&reply, http, local("/")), WF_EUNAVAIL);
    ck_assert_int_eq(server.requests, 1);
    ck_assert_int_eq(get(&reply, http, local("/")), WF_EUNAVAIL);
    ck_assert_int_eq(server.requests, 1);
    apr_sleep(MS(310));
    server.fails = 0;
    ck_assert_int_eq(get(&reply, http, local("/")), WF_OK);
    ck_assert_int_eq(get(&reply, http, local("/")), WF_OK);
    /* One failure among successes opens nothing. */
    for (i = 0; i < 4; i++) {
        server.fails = 1;
        ck_assert_int_eq(get(&reply, http, local("/")), WF_EUNAVAIL);
        server.fails = 0;
        ck_assert_int_eq(get(&reply, http, local("/")), WF_OK);
    }
}
END_TEST

START_TEST(one_endpoints_failures_do_not_touch_another)
{
    wf_http_t *http = client(guard_of("127.0.0.0/8", NULL), 1);
    wf_http_reply_t reply;
    int i;

    /* More failing endpoints than are remembered. */
    for (i = 1; i <= 600; i++) {
        get(&reply, http, apr_psprintf(test_pool, "http://127.0.0.1:%d/", i));
    }
    ck_assert_int_eq(get(&reply, http, local("/")), WF_OK);
    ck_assert_int_eq(get(&reply, http, "http://127.0.0.1:600/"), WF_EUNAVAIL);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "not tried"));
}
END_TEST

typedef struct {
    wf_http_t *http;
    apr_pool_t *own;
    int failures;
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *w = data;
    int i;

    for (i = 0; i < 100; i++) {
        apr_pool_t *pool;
        wf_ctx_t *ctx;
        wf_http_reply_t reply;
        wf_http_request_t request = {.method = "GET", .timeout = MS(5000)};

        apr_pool_create(&pool, w->own);
        ctx = wf_ctx_make(pool, NULL);
        request.url = apr_psprintf(pool, "http://127.0.0.1:%d/", server.port);
        if (wf_http_send(ctx, &reply, w->http, &request) != WF_OK ||
            strcmp(reply.body, "hello") != 0) {
            w->failures++;
        }
        apr_pool_destroy(pool);
    }
    return NULL;
}

START_TEST(threads_share_a_client_and_its_connections)
{
    enum { THREADS = 8 };
    worker_t w[THREADS];
    apr_thread_t *threads[THREADS];
    wf_http_t *http = local_client();
    int i;

    for (i = 0; i < THREADS; i++) {
        w[i] = (worker_t){.http = http};
        apr_pool_create(&w[i].own, NULL);
        ck_assert_int_eq(apr_thread_create(&threads[i], NULL, work, &w[i], w[i].own), APR_SUCCESS);
    }
    for (i = 0; i < THREADS; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, threads[i]);
        ck_assert_int_eq(w[i].failures, 0);
        apr_pool_destroy(w[i].own);
    }
    ck_assert_int_eq(server.requests, THREADS * 100);
    ck_assert_int_le(server.connections, THREADS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *pure = wf_test_case(s, "guard");
    TCase *tc = wf_test_case(s, "client");

    tcase_add_test(pure, the_guard_lets_public_addresses_through_and_no_others);
    tcase_add_test(pure, a_cidr_opens_exactly_its_network);
    tcase_add_test(pure, a_bad_cidr_is_named);

    tcase_add_checked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, a_request_goes_out_as_it_was_asked_for);
    tcase_add_test(tc, any_status_is_a_reply_and_a_redirect_is_not_followed);
    tcase_add_test(tc, no_spelling_of_a_forbidden_address_gets_a_connection);
    tcase_add_test(tc, a_proxy_of_the_environment_is_not_used);
    tcase_add_test(tc, a_slow_server_is_given_up_at_the_timeout_or_the_deadline);
    tcase_add_test(tc, a_reply_over_the_limit_fails_the_request);
    tcase_add_test(tc, what_would_break_the_framing_of_a_request_is_refused);
    tcase_add_test(tc, an_endpoint_that_keeps_failing_is_left_alone_and_then_probed_once);
    tcase_add_test(tc, one_endpoints_failures_do_not_touch_another);
    tcase_add_test(tc, threads_share_a_client_and_its_connections);
    return wf_test_run(s);
}
