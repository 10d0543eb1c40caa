#include "http/wf_http_int.h"

#include <curl/curl.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 4096

/* Raw bytes that parsers read differently; the one who checks and the one who connects must agree.
 */
static const char *check_bytes(const char *url)
{
    const char *c;

    if (!url || !*url) {
        return "the URL is empty";
    }
    for (c = url; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\') {
            return "the URL has white space, a control character or a backslash; percent-encode it";
        }
    }
    if (c - url > URL_MAX) {
        return "the URL is longer than 4096 bytes";
    }
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        return "the URL must begin with https:// or http://";
    }
    return NULL;
}

static const char *part_of(apr_pool_t *pool, CURLU *u, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy = NULL;

    if (curl_url_get(u, part, &text, flags) == CURLUE_OK && text) {
        copy = apr_pstrdup(pool, text);
        curl_free(text);
    }
    return copy;
}

static const char *check_parts(apr_pool_t *pool, const char **endpoint, CURLU *u)
{
    const char *scheme = part_of(pool, u, CURLUPART_SCHEME, 0);
    const char *host = part_of(pool, u, CURLUPART_HOST, 0);
    const char *port = part_of(pool, u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *made, *c;
    int64_t n;

    if (part_of(pool, u, CURLUPART_USER, 0) || part_of(pool, u, CURLUPART_PASSWORD, 0)) {
        return "the URL must not have a user or password";
    }
    if (part_of(pool, u, CURLUPART_ZONEID, 0)) {
        return "the URL must not have a zone id";
    }
    if (!scheme || !host || !*host) {
        return "the URL has no host";
    }
    if (!wf_parse_int(&n, port, 1, 65535)) {
        return "the port is not a number from 1 to 65535";
    }
    made = apr_psprintf(pool, "%s://%s:%s", scheme, host, port);
    for (c = made; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    *endpoint = made;
    return NULL;
}

const char *wf_http_url_parse(apr_pool_t *pool, const char **endpoint, const char *url)
{
    const char *fault = check_bytes(url), *authority;
    CURLU *u;

    *endpoint = NULL;
    if (fault) {
        return fault;
    }
    authority = strstr(url, "://") + 3;
    if (strcspn(authority, "/?#") == 0) {
        return "the URL has no host"; /* libcurl would take the first word of the path */
    }
    /* libcurl hides an empty user ("http://@host") from us. */
    if (memchr(authority, '@', strcspn(authority, "/?#"))) {
        return "the URL must not have a user or password";
    }
    u = curl_url();
    if (!u) {
        return "no memory";
    }
    fault = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK ? check_parts(pool, endpoint, u)
                                                                : "the URL is malformed";
    curl_url_cleanup(u);
    return fault;
}

const char *wf_http_url_check(apr_pool_t *pool, const char *url)
{
    const char *endpoint;

    return wf_http_url_parse(pool, &endpoint, url);
}
