#include "base/wf_base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *wf_hex(apr_pool_t *pool, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = data;
    char *out = apr_palloc(pool, 2 * len + 1);
    size_t i;

    for (i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

int wf_hex_decode(unsigned char *out, const char *hex, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        int hi = hex_value(hex[2 * i]);
        int lo = hi < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (lo < 0) {
            return 0;
        }
        out[i] = (unsigned char)(hi << 4 | lo);
    }
    return 1;
}

static int is_slug_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int wf_slug_is(const char *text)
{
    size_t len = text ? strlen(text) : 0, i;

    if (len < 1 || len == 2 || len > 63 || !is_slug_char(text[0]) || !is_slug_char(text[len - 1])) {
        return 0;
    }
    for (i = 1; i + 1 < len; i++) {
        if (!is_slug_char(text[i]) && text[i] != '-') {
            return 0;
        }
    }
    return 1;
}

/* Length of the well-formed sequence at p (RFC 3629: no overlong forms, no surrogates), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) {
        return p[0] != 0;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }
    if (p[0] < 0xe0) {
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    }
    if (p[0] < 0xf0) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
            (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) {
            return 0;
        }
        return 3;
    }
    if (left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80 ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return 4;
}

int wf_utf8_is(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;

    while (i < len) {
        size_t n;
        uint64_t eight;
        /* Most text is ASCII: eight bytes at once, none of them with the top bit or NUL. */
        if (len - i >= sizeof(eight)) {
            memcpy(&eight, p + i, sizeof(eight));
            if (((eight | (eight - UINT64_C(0x0101010101010101))) &
                 UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof(eight);
                continue;
            }
        }
        n = utf8_sequence(p + i, len - i);
        if (n == 0) {
            return 0;
        }
        i += n;
    }
    return 1;
}

size_t wf_utf8_count(const char *text, size_t len)
{
    size_t n = 0, i;

    for (i = 0; i < len; i++) {
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return n;
}

int wf_parse_int(int64_t *out, const char *text, int64_t min, int64_t max)
{
    char *end;
    long long v;

    *out = 0;
    if (!text || !*text || !(*text == '-' || (*text >= '0' && *text <= '9'))) {
        return 0;
    }
    errno = 0;
    v = strtoll(text, &end, 10);
    if (errno || *end || v < min || v > max) {
        return 0;
    }
    *out = v;
    return 1;
}
