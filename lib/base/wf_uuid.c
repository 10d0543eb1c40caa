#include "base/wf_base.h"

#include <string.h>

void wf_uuid_encode(char out[WF_UUID_LEN + 1], const unsigned char in[16])
{
    static const char digits[] = "0123456789abcdef";
    char *o = out;
    int i;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *o++ = '-';
        }
        *o++ = digits[in[i] >> 4];
        *o++ = digits[in[i] & 15];
    }
    *o = '\0';
}

int wf_uuid_decode(unsigned char out[16], const char *text)
{
    int i;

    if (!text || strlen(text) != WF_UUID_LEN) {
        return 0;
    }
    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (*text++ != '-') {
                return 0;
            }
        }
        if (!wf_hex_decode(out + i, text, 1)) {
            return 0;
        }
        text += 2;
    }
    return 1;
}

int wf_uuid_is(const char *text)
{
    unsigned char bytes[16];

    return wf_uuid_decode(bytes, text);
}

void wf_uuid_v7_of(char out[WF_UUID_LEN + 1], apr_time_t now,
                   const unsigned char random[WF_UUID_RANDOM])
{
    unsigned char b[16];
    uint64_t ms = (uint64_t)(now / 1000);
    int i;

    for (i = 0; i < 6; i++) {
        b[i] = (unsigned char)(ms >> (40 - 8 * i));
    }
    memcpy(b + 6, random, WF_UUID_RANDOM);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x70);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    wf_uuid_encode(out, b);
}

wf_status_t wf_uuid_v7(wf_ctx_t *ctx, char out[WF_UUID_LEN + 1])
{
    unsigned char random[WF_UUID_RANDOM];
    wf_status_t st = wf_rand_bytes(ctx, random, sizeof(random));

    out[0] = '\0';
    if (st == WF_OK) {
        wf_uuid_v7_of(out, wf_now(ctx), random);
    }
    return st;
}
