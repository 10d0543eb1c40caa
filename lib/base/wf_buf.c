#include "base/wf_base.h"

#include <string.h>

void wf_buf_init(wf_buf_t *buf, apr_pool_t *pool, size_t initial, size_t max)
{
    memset(buf, 0, sizeof(*buf));
    buf->pool = pool;
    buf->max = max;
    buf->size = (initial > 0 && initial <= max) ? initial : (max < 256 ? max : 256);
    buf->data = apr_palloc(pool, buf->size + 1);
    buf->data[0] = '\0';
}

char *wf_buf_reserve(wf_buf_t *buf, size_t len)
{
    if (buf->failed || len > buf->max - buf->len) {
        buf->failed = 1;
        return NULL;
    }
    if (buf->len + len > buf->size) {
        size_t size = buf->size * 2;
        char *data;

        if (size < buf->len + len) {
            size = buf->len + len;
        }
        if (size > buf->max) {
            size = buf->max;
        }
        data = apr_palloc(buf->pool, size + 1);
        memcpy(data, buf->data, buf->len);
        buf->data = data;
        buf->size = size;
    }
    return buf->data + buf->len;
}

void wf_buf_add(wf_buf_t *buf, const void *data, size_t len)
{
    char *room = wf_buf_reserve(buf, len);

    if (room) {
        if (len > 0) {
            memcpy(room, data, len);
        }
        buf->len += len;
        buf->data[buf->len] = '\0';
    }
}

void wf_buf_puts(wf_buf_t *buf, const char *text)
{
    wf_buf_add(buf, text, strlen(text));
}

void wf_buf_putc(wf_buf_t *buf, char c)
{
    char *room = wf_buf_reserve(buf, 1);

    if (room) {
        room[0] = c;
        room[1] = '\0';
        buf->len++;
    }
}

/* Far cheaper than wf_buf_printf. */
void wf_buf_put_int(wf_buf_t *buf, int64_t n)
{
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    char digits[20], *at = digits + sizeof(digits);

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0) {
        wf_buf_putc(buf, '-');
    }
    wf_buf_add(buf, at, (size_t)(digits + sizeof(digits) - at));
}

void wf_buf_printf(wf_buf_t *buf, const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = apr_pvsprintf(buf->pool, fmt, ap);
    va_end(ap);
    wf_buf_puts(buf, text);
}
