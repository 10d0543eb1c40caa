#include "wf_test.h"

#include "http/wf_http.h"

#include <apr_thread_proc.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Hosts by name: whatever a name server says, and however it changes its mind, no connection goes to a
 * forbidden address. The name server is this file: libcurl finds our getaddrinfo before libc's. */

/* ---- the name server ---------------------------------------------------------------------- */

/* Addresses, one look-up after the other; '+' between those of one answer. The last stays. */
static const struct {
    const char *name;
    const char *answers[3];
} zone[] = {
    {"here.invalid", {"127.0.0.1"}},
    {"loopback.invalid", {"127.0.0.2"}},
    {"loopback6.invalid", {"::1"}},
    {"private.invalid", {"10.1.2.3"}},
    {"metadata.invalid", {"169.254.169.254"}},
    {"mapped.invalid", {"::ffff:127.0.0.2"}},
    {"nat64.invalid", {"64:ff9b::7f00:2"}},
    {"linklocal.invalid", {"fe80::1"}},
    {"both.invalid", {"10.1.2.3+127.0.0.1"}},
    {"moves.invalid", {"127.0.0.1", "127.0.0.2"}},
};

static atomic_int lookups;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int asked[sizeof(zone) / sizeof(zone[0])];

static struct addrinfo *address_of(const char *text, int port)
{
    struct addrinfo *out = calloc(1, sizeof(*out) + sizeof(struct sockaddr_in6));
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)(out + 1);
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)(out + 1);

    out->ai_socktype = SOCK_STREAM;
    out->ai_protocol = IPPROTO_TCP;
    out->ai_addr = (struct sockaddr *)v4;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        out->ai_family = v4->sin_family = AF_INET;
        out->ai_addrlen = sizeof(*v4);
        v4->sin_port = htons((uint16_t)port);
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        out->ai_family = v6->sin6_family = AF_INET6;
        out->ai_addrlen = sizeof(*v6);
        v6->sin6_port = htons((uint16_t)port);
    }
    return out;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    struct addrinfo **end = out;
    char answer[128], *at, *rest = answer;
    size_t i;
    int n;

    *out = NULL;
    lookups++;
    for (i = 0; name && i < sizeof(zone) / sizeof(zone[0]); i++) {
        if (strcmp(name, zone[i].name) == 0) {
            pthread_mutex_lock(&lock);
            n = asked[i];
            asked[i] += n < 2 && zone[i].answers[n + 1];
            pthread_mutex_unlock(&lock);
            snprintf(answer, sizeof(answer), "%s", zone[i].answers[n]);
            while ((at = strsep(&rest, "+"))) {
                *end = address_of(at, service ? atoi(service) : 0);
                end = &(*end)->ai_next;
            }
            return 0;
        }
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

/* ---- the server: one answer for each connection --------------------------------------------- */

static int listener, port;
static atomic_int connections;

static void *APR_THREAD_FUNC serve(apr_thread_t *thread, void *data)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    char request[4096];
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        connections++;
        (void)!recv(fd, request, sizeof(request), 0);
        (void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    apr_thread_t *thread;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(listener, 64), 0);
    getsockname(listener, (struct sockaddr *)&a, &len);
    port = ntohs(a.sin_port);
    ck_assert_int_eq(apr_thread_create(&thread, NULL, serve, NULL, test_pool), APR_SUCCESS);
}

/* ---- the clients: the one of a request thread, and the workers' -------------------------------- */

static const wf_http_guard_t *guard(const char *cidr)
{
    apr_array_header_t *cidrs = apr_array_make(test_pool, 1, sizeof(const char *));
    wf_http_guard_t *out;

    if (cidr) {
        APR_ARRAY_PUSH(cidrs, const char *) = cidr;
    }
    ck_assert_int_eq(wf_http_guard_make(test_ctx, &out, test_pool, cidrs), WF_OK);
    return out;
}

static wf_status_t send_by(int is_multi, const wf_http_guard_t *allowed, const char *host)
{
    wf_http_request_t request = {.method = "POST",
                                 .url = apr_psprintf(test_pool, "http://%s:%d/secret", host, port),
                                 .timeout = apr_time_from_sec(5)};
    wf_http_conf_t conf = {.guard = allowed, .reply_max = 1000};
    wf_http_multi_conf_t multi_conf = {.guard = allowed, .reply_max = 1000, .connections_max = 4};
    wf_http_multi_t *multi;
    wf_http_reply_t reply;
    wf_http_done_t done;
    wf_http_t *http;

    wf_ctx_clear(test_ctx);
    if (!is_multi) {
        ck_assert_int_eq(wf_http_make(test_ctx, &http, test_pool, &conf), WF_OK);
        return wf_http_send(test_ctx, &reply, http, &request);
    }
    ck_assert_int_eq(wf_http_multi_make(test_ctx, &multi, test_pool, &multi_conf), WF_OK);
    ck_assert_int_eq(wf_http_multi_start(test_ctx, multi, &request, NULL), WF_OK);
    while (!wf_http_multi_next(&done, multi)) {
        wf_http_multi_wait(multi, -1, apr_time_from_msec(100));
    }
    return done.status;
}

START_TEST(a_name_of_a_forbidden_address_gets_no_connection)
{
    static const char *const names[] = {"loopback.invalid",  "loopback6.invalid", "private.invalid",
                                        "metadata.invalid",  "mapped.invalid",    "nat64.invalid",
                                        "linklocal.invalid"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_msg(send_by(_i, guard("127.0.0.1/32"), names[i]) == WF_EDENIED, "%s: %s", names[i],
                      test_ctx->err.detail ? test_ctx->err.detail : "it was called");
        ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, names[i]));
        ck_assert_ptr_null(strstr(test_ctx->err.detail, "/secret"));
    }
    ck_assert_int_eq(send_by(_i, guard(NULL), "here.invalid"), WF_EDENIED);
    ck_assert_int_eq(connections, 0);
    ck_assert_int_eq(send_by(_i, guard(NULL), "nowhere.invalid"), WF_EUNAVAIL);
}
END_TEST

START_TEST(of_several_addresses_only_the_allowed_one_is_called)
{
    ck_assert_int_eq(send_by(_i, guard("127.0.0.0/31"), "here.invalid"), WF_OK);
    ck_assert_int_eq(connections, 1);
    ck_assert_int_eq(send_by(_i, guard("127.0.0.0/31"), "both.invalid"), WF_OK);
    ck_assert_int_eq(connections, 2);
}
END_TEST

/* Whoever looks a name up, checks what comes and looks it up again to connect, is told two things. Here it is
 * looked up once, and what is checked is the address of the socket. */
START_TEST(a_name_that_changes_between_look_up_and_connect_gains_nothing)
{
    ck_assert_int_eq(send_by(_i, guard("127.0.0.1/32"), "moves.invalid"), WF_OK);
    ck_assert_int_eq(connections, 1);
    ck_assert_int_eq(lookups, 1);
    ck_assert_int_eq(send_by(_i, guard("127.0.0.1/32"), "moves.invalid"), WF_EDENIED);
    ck_assert_int_eq(connections, 1);
    ck_assert_int_eq(lookups, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_name");
    TCase *tc = wf_test_case(s, "names");

    tcase_add_checked_fixture(tc, start_server, NULL);
    /* Each by the client of a request thread and by the workers'. */
    tcase_add_loop_test(tc, a_name_of_a_forbidden_address_gets_no_connection, 0, 2);
    tcase_add_loop_test(tc, of_several_addresses_only_the_allowed_one_is_called, 0, 2);
    tcase_add_loop_test(tc, a_name_that_changes_between_look_up_and_connect_gains_nothing, 0, 2);
    return wf_test_run(s);
}
