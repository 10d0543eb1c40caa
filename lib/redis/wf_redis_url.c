#include "redis/wf_redis_int.h"

#include <string.h>

#define PORT_DEFAULT 6379
#define DB_MAX 65535

/* NULL for a bad escape or one that hides a NUL. */
static char *percent_decode(apr_pool_t *pool, const char *text, size_t len)
{
    char *out = apr_palloc(pool, len + 1), *o = out;
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '%') {
            if (len - i < 3 || !wf_hex_decode(&c, text + i + 1, 1) || c == 0) {
                return NULL;
            }
            i += 2;
        }
        *o++ = (char)c;
    }
    *o = '\0';
    return out;
}

static const char *parse_user(apr_pool_t *pool, wf_redis_url_t *out, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : len;

    out->user = percent_decode(pool, text, user_len);
    out->password = colon ? percent_decode(pool, colon + 1, len - user_len - 1) : NULL;
    if (!out->user || (colon && !out->password)) {
        return "user or password: '%' must be followed by two hex digits, not 00";
    }
    if (!colon || !*out->password) {
        return "a user without a password; write redis://user:password@host, or "
               "redis://:password@host";
    }
    return NULL;
}

static const char *parse_number(int *out, const char *text, int64_t min, int64_t max,
                                const char *fault)
{
    int64_t n;

    if (!wf_parse_int(&n, text, min, max)) {
        return fault;
    }
    *out = (int)n;
    return NULL;
}

static const char *parse_db(wf_redis_url_t *out, const char *text)
{
    return parse_number(&out->db, text, 0, DB_MAX, "the database is not a number from 0 to 65535");
}

/* host, host:port, [ipv6] or [ipv6]:port */
static const char *parse_host(apr_pool_t *pool, wf_redis_url_t *out, const char *text)
{
    const char *host = text, *end, *rest;

    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (!end) {
            return "an address in '[' needs its ']'";
        }
        rest = end + 1;
    } else {
        end = rest = text + strcspn(text, ":");
    }
    if (end == host) {
        return "no host; expected redis://host:port/db";
    }
    out->host = apr_pstrmemdup(pool, host, (size_t)(end - host));
    if (strspn(out->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%") !=
        strlen(out->host)) {
        return "the host has a character that no host name has; percent-encode '@', '/' and ':' "
               "in a password";
    }
    if (*rest == '\0') {
        return NULL;
    }
    if (*rest != ':') {
        return "only ':port' may follow the host";
    }
    return parse_number(&out->port, rest + 1, 1, 65535, "the port is not a number from 1 to 65535");
}

static const char *parse_tcp(apr_pool_t *pool, wf_redis_url_t *out, const char *text)
{
    const char *slash = strchr(text, '/');

    if (slash) {
        text = apr_pstrmemdup(pool, text, (size_t)(slash - text));
        if (slash[1]) {
            const char *fault = parse_db(out, slash + 1);
            if (fault) {
                return fault;
            }
        }
    }
    return parse_host(pool, out, text);
}

static const char *parse_unix(apr_pool_t *pool, wf_redis_url_t *out, const char *text)
{
    const char *query = strchr(text, '?');

    if (*text != '/') {
        return "the path must be absolute; expected unix:///run/redis/redis.sock";
    }
    out->path =
        query ? apr_pstrmemdup(pool, text, (size_t)(query - text)) : apr_pstrdup(pool, text);
    if (strlen(out->path) > 107) {
        return "the path of the socket is longer than the system allows (107)";
    }
    if (!query) {
        return NULL;
    }
    if (strncmp(query, "?db=", 4) != 0) {
        return "only '?db=n' may follow the path";
    }
    return parse_db(out, query + 4);
}

const char *wf_redis_url_parse(apr_pool_t *pool, wf_redis_url_t *out, const char *url)
{
    const char *rest, *at, *fault;
    int is_unix;

    memset(out, 0, sizeof(*out));
    out->user = "";
    out->password = apr_pstrdup(pool, "");
    out->port = PORT_DEFAULT;
    if (url && strncmp(url, "rediss://", 9) == 0) {
        return "rediss:// (TLS) is not supported; use redis:// to a TLS tunnel on this host, or a "
               "unix socket";
    }
    is_unix = url && strncmp(url, "unix://", 7) == 0;
    if (!is_unix && (!url || strncmp(url, "redis://", 8) != 0)) {
        return "expected redis://[[user]:password@]host[:port][/db] or unix:///path[?db=n]";
    }
    rest = url + (is_unix ? 7 : 8);
    at = strrchr(rest, '@');
    if (at && memchr(rest, '/', (size_t)(at - rest)) == NULL) {
        fault = parse_user(pool, out, rest, (size_t)(at - rest));
        if (fault) {
            return fault;
        }
        rest = at + 1;
    }
    return is_unix ? parse_unix(pool, out, rest) : parse_tcp(pool, out, rest);
}

const char *wf_redis_url_check(apr_pool_t *pool, const char *url)
{
    wf_redis_url_t parsed;

    return wf_redis_url_parse(pool, &parsed, url);
}

const char *wf_redis_url_redact(apr_pool_t *pool, const char *url)
{
    wf_redis_url_t u;
    const char *secret;

    if (wf_redis_url_parse(pool, &u, url)) {
        return "(unreadable Redis URL)";
    }
    secret = *u.password ? apr_pstrcat(pool, u.user, ":***@", NULL) : "";
    if (u.path) {
        return apr_psprintf(pool, "unix://%s%s?db=%d", secret, u.path, u.db);
    }
    return apr_psprintf(pool, strchr(u.host, ':') ? "redis://%s[%s]:%d/%d" : "redis://%s%s:%d/%d",
                        secret, u.host, u.port, u.db);
}
