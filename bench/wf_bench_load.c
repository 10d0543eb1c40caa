/* The two ends of the way that an event goes: a sender that keeps its rate whatever the answers do,
 * and the receiver of the callbacks. Both write down times of the same clock (CLOCK_MONOTONIC,
 * microseconds). */
#include "wf_bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 65536
#define CONNECTIONS_MAX 256
#define LENGTH_DIGITS 8
/* Nothing was answered for so long: something hangs that should not. */
#define PATIENCE_US INT64_C(30000000)
#define EVENTS_AT_ONCE 64
#define FLUSH_MS 50

typedef struct {
    int fd;
    int shot; /* the sender's: which one it waits for, -1: none */
    size_t have;
    char in[MESSAGE_MAX + 1];
} conn_t;

static int64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct sockaddr_in loopback(const char *port)
{
    unsigned long number = strtoul(port, NULL, 10);
    struct sockaddr_in a = {.sin_family = AF_INET};

    if (number == 0 || number > 65535) {
        die("PORT: 1 to 65535");
    }
    a.sin_port = htons((uint16_t)number);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void no_delay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Reads what is there. 0: the other end has closed. */
static int take_bytes(conn_t *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, MESSAGE_MAX - c->have, 0);

    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }
    c->have += (size_t)n;
    c->in[c->have] = '\0';
    return 1;
}

/* Length of the first message when all of it is there, else 0. `body`: where its body begins. */
static size_t whole_message(const conn_t *c, const char **body)
{
    const char *end = strstr(c->in, "\r\n\r\n"), *length;
    size_t head, rest = 0;

    if (!end) {
        return 0;
    }
    head = (size_t)(end - c->in) + 4;
    length = strcasestr(c->in, "\r\nContent-Length:");
    if (length && length < end) {
        rest = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    }
    if (rest > MESSAGE_MAX - head) {
        die("a message is too long");
    }
    *body = c->in + head;
    return c->have >= head + rest ? head + rest : 0;
}

static void drop_message(conn_t *c, size_t len)
{
    c->have -= len;
    memmove(c->in, c->in + len, c->have);
    c->in[c->have] = '\0';
}

static void send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* reading will say that it is closed */
        }
        text += n;
        len -= (size_t)n;
    }
}

/* ---- send ---------------------------------------------------------------------------------- */

typedef struct {
    const char *text;
    size_t len;
    int64_t due, sent, answered;
    int status;
} shot_t;

typedef struct {
    struct sockaddr_in to;
    shot_t *shots;
    int count, next, done;
    conn_t *conns;
    int conn_count;
    int *idle; /* a ring, so that each connection gets its turn and none grows too old */
    int idle_first, idle_count;
    int64_t heard_at;
} sender_t;

static void read_shots(sender_t *s, const char *file)
{
    FILE *in = must(fopen(file, "rb"), "REQUESTS cannot be read");
    char digits[LENGTH_DIGITS + 1] = "";
    int room = 0;

    while (fread(digits, 1, LENGTH_DIGITS, in) == LENGTH_DIGITS) {
        size_t len = strtoul(digits, NULL, 10);
        char *text = must(malloc(len + 1), "no memory");
        if (fread(text, 1, len, in) != len) {
            die("REQUESTS ends in the middle of one");
        }
        if (s->count == room) {
            room = room ? room * 2 : 4096;
            s->shots = must(realloc(s->shots, (size_t)room * sizeof(*s->shots)), "no memory");
        }
        s->shots[s->count++] = (shot_t){.text = text, .len = len};
    }
    fclose(in);
}

static void connect_to(conn_t *c, const struct sockaddr_in *to)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) != 0) {
        die("the server cannot be connected to");
    }
    no_delay(c->fd);
    c->have = 0;
    c->in[0] = '\0';
    c->shot = -1;
}

static void put_idle(sender_t *s, int number)
{
    s->idle[(s->idle_first + s->idle_count++) % s->conn_count] = number;
}

static void send_due(sender_t *s)
{
    int64_t now = clock_us();

    while (s->next < s->count && s->idle_count > 0 && s->shots[s->next].due <= now) {
        int number = s->idle[s->idle_first];
        shot_t *shot = &s->shots[s->next];

        s->idle_first = (s->idle_first + 1) % s->conn_count;
        s->idle_count--;
        s->conns[number].shot = s->next++;
        shot->sent = now;
        send_all(s->conns[number].fd, shot->text, shot->len);
        now = clock_us();
    }
}

/* A connection that ends while nothing is asked of it is made anew; one that ends before its answer
 * leaves the status 0. */
static void hear(sender_t *s, int number)
{
    conn_t *c = &s->conns[number];
    shot_t *shot = c->shot < 0 ? NULL : &s->shots[c->shot];
    int is_open = take_bytes(c);
    const char *body;
    size_t len = whole_message(c, &body);

    if (is_open && len == 0) {
        return;
    }
    s->heard_at = clock_us();
    if (shot) {
        shot->answered = s->heard_at;
        shot->status = len > 0 ? (int)strtol(c->in + strcspn(c->in, " "), NULL, 10) : 0;
        s->done++;
        put_idle(s, number);
    }
    c->shot = -1;
    if (is_open) {
        drop_message(c, len);
    } else {
        close(c->fd);
        connect_to(c, &s->to);
    }
}

static void wait_and_hear(sender_t *s)
{
    struct pollfd fds[CONNECTIONS_MAX];
    int64_t now = clock_us(), wait = 1000000;
    struct timespec t;
    int i;

    if (s->next < s->count && s->idle_count > 0) {
        wait = s->shots[s->next].due - now;
    }
    wait = wait < 0 ? 0 : wait > 1000000 ? 1000000 : wait;
    t = (struct timespec){.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
    for (i = 0; i < s->conn_count; i++) {
        fds[i] = (struct pollfd){.fd = s->conns[i].fd, .events = POLLIN};
    }
    if (ppoll(fds, (nfds_t)s->conn_count, &t, NULL) > 0) {
        for (i = 0; i < s->conn_count; i++) {
            if (fds[i].revents) {
                hear(s, i);
            }
        }
    }
    if (s->done < s->next && clock_us() - s->heard_at > PATIENCE_US) {
        die("no answer for 30 s");
    }
}

int run_send(const char *port, const char *rate, const char *connections, const char *file)
{
    sender_t s = {.to = loopback(port)};
    double per_second = strtod(rate, NULL);
    int64_t start;
    int i;

    s.conn_count = (int)strtol(connections, NULL, 10);
    if (per_second <= 0 || s.conn_count < 1 || s.conn_count > CONNECTIONS_MAX) {
        die("RATE is above 0, CONNECTIONS 1 to 256");
    }
    read_shots(&s, file);
    s.conns = must(calloc((size_t)s.conn_count, sizeof(*s.conns)), "no memory");
    s.idle = must(calloc((size_t)s.conn_count, sizeof(*s.idle)), "no memory");
    for (i = 0; i < s.conn_count; i++) {
        connect_to(&s.conns[i], &s.to);
        put_idle(&s, i);
    }
    start = s.heard_at = clock_us();
    for (i = 0; i < s.count; i++) {
        s.shots[i].due = start + (int64_t)(i * 1e6 / per_second);
    }
    while (s.done < s.count) {
        send_due(&s);
        wait_and_hear(&s);
    }
    for (i = 0; i < s.count; i++) {
        const shot_t *shot = &s.shots[i];
        printf("%" PRId64 " %" PRId64 " %" PRId64 " %d\n", shot->due, shot->sent, shot->answered,
               shot->status);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- receive -------------------------------------------------------------------------------- */

static int listen_on(const char *port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1024) != 0) {
        die("PORT cannot be listened on");
    }
    return fd;
}

static void accept_one(int epoll, int listener)
{
    struct epoll_event e = {.events = EPOLLIN};
    conn_t *c;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    no_delay(fd);
    c = must(malloc(sizeof(*c)), "no memory");
    c->fd = fd;
    c->have = 0;
    e.data.ptr = c;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        die("epoll_ctl");
    }
}

static void log_callback(FILE *log, const char *body, int64_t at)
{
    const char *id = strstr(body, "\"message_id\"");

    id = id ? id + strlen("\"message_id\"") : "";
    id += strspn(id, " :\"");
    fprintf(log, "%" PRId64 " %.*s\n", at, (int)strcspn(id, "\""), id);
}

/* "/hang…" never gets an answer and is not written down. */
static void serve(conn_t *c, FILE *log)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    int is_open = take_bytes(c);
    int64_t at = clock_us();
    const char *body;
    size_t len;

    while (is_open && (len = whole_message(c, &body)) > 0) {
        if (strncmp(c->in, "POST /hang", strlen("POST /hang")) != 0) {
            log_callback(log, body, at);
            send_all(c->fd, answer, sizeof(answer) - 1);
        }
        drop_message(c, len);
    }
    if (!is_open) {
        close(c->fd);
        free(c);
    }
}

int run_receive(const char *port, const char *log_name)
{
    FILE *log = must(fopen(log_name, "w"), "LOG cannot be written");
    int listener = listen_on(port), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) != 0) {
        die("epoll");
    }
    for (;;) {
        struct epoll_event got[EVENTS_AT_ONCE];
        int i, n = epoll_wait(epoll, got, EVENTS_AT_ONCE, FLUSH_MS);

        if (n == 0) {
            fflush(log);
        }
        for (i = 0; i < n; i++) {
            if (got[i].data.ptr) {
                serve(got[i].data.ptr, log);
            } else {
                accept_one(epoll, listener);
            }
        }
    }
}
