#include "base/wf_base.h"

#include <string.h>
#include <strings.h>

/* RFC 3986, and not more than every parser reads alike: the one who checks and the one who connects must agree. */
static const char url_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~:/?#[]@!$&'()*+,;=%";
static const char name_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
static const char address_chars[] = "ABCDEFabcdef0123456789:.";

static const char *authority_fault(const char *authority, size_t len)
{
    size_t host, end = 0;
    char port[6];
    int64_t n;

    if (memchr(authority, '@', len)) {
        return "the URL must not have a user or password";
    }
    if (*authority == '[') {
        host = strspn(authority + 1, address_chars);
        end = host + 1;
        if (authority[end] != ']') {
            return "the URL has a malformed address between [ and ]";
        }
        end++;
    } else {
        host = end = strspn(authority, name_chars);
    }
    if (host == 0) {
        return "the URL has no host";
    }
    if (end == len) {
        return NULL;
    }
    if (authority[end] != ':') {
        return "the URL has a malformed host";
    }
    end++;
    if (len - end < sizeof(port)) {
        memcpy(port, authority + end, len - end);
        port[len - end] = '\0';
        if (wf_parse_int(&n, port, 1, 65535)) {
            return NULL;
        }
    }
    return "the port is not a number from 1 to 65535";
}

const char *wf_url_fault(const char *url)
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
    scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0) {
        return "the URL must begin with https:// or http://";
    }
    return authority_fault(url + scheme, strcspn(url + scheme, "/?#"));
}
