#include "redis/wf_redis_int.h"

#include <string.h>

static size_t digits_of(size_t n)
{
    size_t digits = 1;

    while (n >= 10) {
        n /= 10;
        digits++;
    }
    return digits;
}

/* "*3\r\n" or "$12\r\n" */
static char *write_count(char *to, char mark, size_t n)
{
    size_t digits = digits_of(n), i;

    *to = mark;
    for (i = digits; i > 0; i--) {
        to[i] = (char)('0' + n % 10);
        n /= 10;
    }
    memcpy(to + 1 + digits, "\r\n", 2);
    return to + 1 + digits + 2;
}

size_t wf_redis_command_size(int argc, const char *const *argv, const size_t *lens)
{
    size_t size = 1 + digits_of((size_t)argc) + 2;
    int i;

    for (i = 0; i < argc; i++) {
        size_t len = lens ? lens[i] : strlen(argv[i]);

        size += 1 + digits_of(len) + 2 + len + 2;
    }
    return size;
}

char *wf_redis_command_write(char *to, int argc, const char *const *argv, const size_t *lens)
{
    int i;

    to = write_count(to, '*', (size_t)argc);
    for (i = 0; i < argc; i++) {
        size_t len = lens ? lens[i] : strlen(argv[i]);

        to = write_count(to, '$', len);
        memcpy(to, argv[i], len);
        memcpy(to + len, "\r\n", 2);
        to += len + 2;
    }
    return to;
}

static apr_status_t wipe(void *data)
{
    wf_redis_hello_t *hello = data;

    explicit_bzero(hello->bytes, hello->len);
    return APR_SUCCESS;
}

void wf_redis_hello_make(wf_redis_hello_t *out, apr_pool_t *pool, wf_redis_url_t *url)
{
    const char *commands[4][3];
    int argc[4], n = 0, i;
    char *to;

    if (*url->password) {
        int words = 0;

        commands[n][words++] = "AUTH";
        if (*url->user) {
            commands[n][words++] = url->user;
        }
        commands[n][words++] = url->password;
        argc[n++] = words;
    }
    if (url->db != 0) {
        commands[n][0] = "SELECT";
        commands[n][1] = apr_itoa(pool, url->db);
        argc[n++] = 2;
    }
    commands[n][0] = "CLIENT";
    commands[n][1] = "SETNAME";
    commands[n][2] = "wflows";
    argc[n++] = 3;
    commands[n][0] = "PING";
    argc[n++] = 1;

    out->commands = n;
    out->len = 0;
    for (i = 0; i < n; i++) {
        out->len += wf_redis_command_size(argc[i], commands[i], NULL);
    }
    to = out->bytes = apr_palloc(pool, out->len);
    for (i = 0; i < n; i++) {
        to = wf_redis_command_write(to, argc[i], commands[i], NULL);
    }
    apr_pool_cleanup_register(pool, out, wipe, apr_pool_cleanup_null);
    explicit_bzero(url->password, strlen(url->password));
}

const char *wf_redis_hello_refused(const wf_redis_reply_t *reply)
{
    /* The name is for the operator's eyes; an ACL that forbids CLIENT shall not stop us. */
    if (!reply->is_error || strncmp(reply->text, "NOPERM", 6) == 0) {
        return NULL;
    }
    return reply->text;
}
