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

/* A character's value plus one; 0: not of the alphabet. */
/* clang-format off */
static const unsigned char standard_values[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, 63,  0,  0,  0, 64,
    53, 54, 55, 56, 57, 58, 59, 60, 61, 62,  0,  0,  0,  0,  0,  0,
     0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,  0,  0,  0,  0,  0,
     0, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
    42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,  0,  0,  0,  0,  0,
};
static const unsigned char urlsafe_values[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, 63,  0,  0,
    53, 54, 55, 56, 57, 58, 59, 60, 61, 62,  0,  0,  0,  0,  0,  0,
     0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,  0,  0,  0,  0, 64,
     0, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
    42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,  0,  0,  0,  0,  0,
};
/* clang-format on */

static size_t decode_rest(unsigned char *o, const unsigned char *in, size_t len,
                          const unsigned char *values)
{
    unsigned a, b, c;

    if (len == 0) {
        return 0;
    }
    a = values[in[0]];
    b = values[in[1]];
    c = len == 3 ? values[in[2]] : 1;
    if (!a || !b || !c) {
        return SIZE_MAX;
    }
    o[0] = (unsigned char)((a - 1) << 2 | (b - 1) >> 4);
    if (len == 3) {
        o[1] = (unsigned char)((b - 1) << 4 | (c - 1) >> 2);
    }
    return len - 1;
}

static int decode(unsigned char *out, size_t *out_len, const char *text, size_t len,
                  const unsigned char *values)
{
    const unsigned char *in = (const unsigned char *)text;
    unsigned char *o = out;
    size_t rest;

    *out_len = 0;
    if (len > 0 && len % 4 == 0 && text[len - 1] == '=') {
        len -= text[len - 2] == '=' ? 2 : 1;
    }
    if (len % 4 == 1) {
        return 0;
    }
    for (; len >= 4; len -= 4, in += 4) {
        unsigned a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
        uint32_t v = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        if (!a || !b || !c || !d) {
            return 0;
        }
        *o++ = (unsigned char)(v >> 16);
        *o++ = (unsigned char)(v >> 8);
        *o++ = (unsigned char)v;
    }
    rest = decode_rest(o, in, len, values);
    if (rest == SIZE_MAX) {
        return 0;
    }
    *out_len = (size_t)(o - out) + rest;
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
    return decode(out, out_len, text, len, standard_values);
}

int wf_base64url_decode(unsigned char *out, size_t *out_len, const char *text, size_t len)
{
    return decode(out, out_len, text, len, urlsafe_values);
}
