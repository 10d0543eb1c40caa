#include "base/wf_base.h"

/* Written here because APR-util's decoder silently stops at a bad character and OpenSSL's skips
 * white space; WHATSAPP.md 1.2 asks for neither. */

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char urlsafe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t encode(char *out, const unsigned char *in, size_t len, const char *alphabet, int pad)
{
    char *o = out;
    size_t i;

    for (i = 0; i + 2 < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    if (i < len) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        if (i + 1 < len) {
            *o++ = alphabet[v >> 6 & 63];
        } else if (pad) {
            *o++ = '=';
        }
        if (pad) {
            *o++ = '=';
        }
    }
    return (size_t)(o - out);
}

static int value_of(unsigned char c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == (unsigned char)c62) {
        return 62;
    }
    return c == (unsigned char)c63 ? 63 : -1;
}

static int decode(unsigned char *out, size_t *out_len, const char *text, size_t len, char c62,
                  char c63)
{
    unsigned char *o = out;
    uint32_t v = 0;
    size_t n = 0, i;

    *out_len = 0;
    if (len > 0 && len % 4 == 0 && text[len - 1] == '=') {
        len -= text[len - 2] == '=' ? 2 : 1;
    }
    if (len % 4 == 1) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        int d = value_of((unsigned char)text[i], c62, c63);
        if (d < 0) {
            return 0;
        }
        v = v << 6 | (uint32_t)d;
        if (++n == 4) {
            *o++ = (unsigned char)(v >> 16);
            *o++ = (unsigned char)(v >> 8);
            *o++ = (unsigned char)v;
            n = 0;
            v = 0;
        }
    }
    if (n == 2) {
        *o++ = (unsigned char)(v >> 4);
    } else if (n == 3) {
        *o++ = (unsigned char)(v >> 10);
        *o++ = (unsigned char)(v >> 2);
    }
    *out_len = (size_t)(o - out);
    return 1;
}

size_t wf_base64_encode(char *out, const void *data, size_t len)
{
    return encode(out, data, len, standard, 1);
}

char *wf_base64(apr_pool_t *pool, const void *data, size_t len)
{
    char *out = apr_palloc(pool, WF_BASE64_LEN(len) + 1);

    out[encode(out, data, len, standard, 1)] = '\0';
    return out;
}

char *wf_base64url(apr_pool_t *pool, const void *data, size_t len)
{
    char *out = apr_palloc(pool, WF_BASE64_LEN(len) + 1);

    out[encode(out, data, len, urlsafe, 0)] = '\0';
    return out;
}

int wf_base64_decode(unsigned char *out, size_t *out_len, const char *text, size_t len)
{
    return decode(out, out_len, text, len, '+', '/');
}

int wf_base64url_decode(unsigned char *out, size_t *out_len, const char *text, size_t len)
{
    return decode(out, out_len, text, len, '-', '_');
}
