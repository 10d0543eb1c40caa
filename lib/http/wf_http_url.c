#include "http/wf_http_int.h"

#include <curl/curl.h>

#include <ctype.h>

static const char *part_of(apr_pool_t *pool, CURLU *u, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy = NULL;

    if (curl_url_get(u, part, &text, flags) == CURLUE_OK && text) {
        copy = apr_pstrdup(pool, text);
        curl_free(text);
    }
    return copy;
}

/* The form is right already; what libcurl makes of it is what it will connect to. */
const char *wf_http_url_parse(apr_pool_t *pool, const char **endpoint, const char *url)
{
    const char *fault = wf_url_fault(url), *scheme, *host, *port;
    CURLU *u;

    *endpoint = NULL;
    if (fault) {
        return fault;
    }
    u = curl_url();
    if (!u) {
        return "no memory";
    }
    if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        scheme = part_of(pool, u, CURLUPART_SCHEME, 0);
        host = part_of(pool, u, CURLUPART_HOST, 0);
        port = part_of(pool, u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
        if (scheme && host && port) {
            char *c, *made = apr_psprintf(pool, "%s://%s:%s", scheme, host, port);

            for (c = made; *c; c++) {
                *c = (char)tolower((unsigned char)*c);
            }
            *endpoint = made;
        }
    }
    curl_url_cleanup(u);
    return *endpoint ? NULL : "the URL is malformed";
}
