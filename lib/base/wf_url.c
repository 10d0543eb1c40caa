#include "base/wf_base.h"

#include <string.h>
#include <strings.h>

/* RFC 3986, and not more than every parser reads alike: the one who checks and the one who connects must agree. */
static const char url_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~:/?#[]@!$&'()*+,;=%";
static const char name_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
static const char address_chars[] = "ABCDEFabcdef0123456789:.";

/* `end`: of the authority, where the path, the query or nothing begins. */
static const char *split_authority(wf_url_t *out, const char *text, const char *end)
{
    const char *p = text;
    size_t host;
    char port[6];
    int64_t n;

    if (memchr(text, '@', (size_t)(end - text))) {
        return "the URL must not have a user or password";
    }
    if (*p == '[') {
        host = strspn(p + 1, address_chars);
        p += 1 + host;
        if (*p++ != ']') {
            return "the URL has a malformed address between [ and ]";
        }
    } else {
        host = strspn(p, name_chars);
        p += host;
    }
    if (host == 0) {
        return "the URL has no host";
    }
    out->host = (wf_slice_t){text, (size_t)(p - text)};
    out->rest = end;
    if (p == end) {
        return NULL;
    }
    if (*p++ != ':') {
        return "the URL has a malformed host";
    }
    out->port = (wf_slice_t){p, (size_t)(end - p)};
    if (out->port.len < sizeof(port)) {
        memcpy(port, p, out->port.len);
        port[out->port.len] = '\0';
        if (wf_parse_int(&n, port, 1, 65535)) {
            return NULL;
        }
    }
    return "the port is not a number from 1 to 65535";
}

static const char *split(wf_url_t *out, const char *url)
{
    size_t scheme;

    if (!url || !*url) {
        return "the URL is empty";
    }
    if (strlen(url) > WF_URL_MAX) {
        return "the URL is longer than 2048 bytes";
    }
    if (url[strspn(url, url_chars)] != '\0') {
        return "the URL has a character that must be percent-encoded";
    }
    out->is_https = strncasecmp(url, "https://", 8) == 0;
    scheme = out->is_https ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0) {
        return "the URL must begin with https:// or http://";
    }
    url += scheme;
    return split_authority(out, url, url + strcspn(url, "/?#"));
}

const char *wf_url_split(wf_url_t *out, const char *url)
{
    const char *fault;

    memset(out, 0, sizeof(*out));
    fault = split(out, url);
    if (fault) {
        memset(out, 0, sizeof(*out));
    }
    return fault;
}

const char *wf_url_fault(const char *url)
{
    wf_url_t parts;

    return wf_url_split(&parts, url);
}
