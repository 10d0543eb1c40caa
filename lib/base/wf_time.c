#include "base/wf_base.h"

#include <string.h>

/* `count` digits at *p, which moves past them. */
static int read_digits(int *out, const char **p, int count)
{
    int i;

    *out = 0;
    for (i = 0; i < count; i++, (*p)++) {
        if (**p < '0' || **p > '9') {
            return 0;
        }
        *out = *out * 10 + (**p - '0');
    }
    return 1;
}

static int read_char(const char **p, char c)
{
    return *(*p)++ == c;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static int read_date(apr_time_exp_t *e, const char **p)
{
    int year, month, day;

    if (!read_digits(&year, p, 4) || !read_char(p, '-') || !read_digits(&month, p, 2) ||
        !read_char(p, '-') || !read_digits(&day, p, 2) || year < 1970 || month < 1 || month > 12 ||
        day < 1 || day > days_of(year, month)) {
        return 0;
    }
    e->tm_year = year - 1900;
    e->tm_mon = month - 1;
    e->tm_mday = day;
    return 1;
}

/* A fraction of any length; what is beyond microseconds does not count. */
static int read_fraction(apr_time_exp_t *e, const char **p)
{
    int scale = 100000, digits = 0;

    if (**p != '.') {
        return 1;
    }
    for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, digits++) {
        e->tm_usec += (**p - '0') * scale;
        scale /= 10;
    }
    return digits > 0;
}

/* ":30", ":30.5" or nothing. */
static int read_seconds(apr_time_exp_t *e, const char **p)
{
    return **p != ':' || (read_char(p, ':') && read_digits(&e->tm_sec, p, 2) && e->tm_sec < 60 &&
                          read_fraction(e, p));
}

static int read_clock(apr_time_exp_t *e, const char **p)
{
    return read_digits(&e->tm_hour, p, 2) && read_char(p, ':') && read_digits(&e->tm_min, p, 2) &&
           e->tm_hour < 24 && e->tm_min < 60 && read_seconds(e, p);
}

static int read_zone(apr_time_exp_t *e, const char **p)
{
    int hours, minutes, sign;

    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return 1;
    }
    sign = **p == '-' ? -1 : 1;
    if ((**p != '+' && **p != '-') || !read_char(p, **p) || !read_digits(&hours, p, 2) ||
        !read_char(p, ':') || !read_digits(&minutes, p, 2) || hours > 23 || minutes > 59) {
        return 0;
    }
    e->tm_gmtoff = sign * (hours * 3600 + minutes * 60);
    return 1;
}

int wf_time_parse(apr_time_t *out, const char *text)
{
    apr_time_exp_t e;
    const char *p = text;

    *out = 0;
    memset(&e, 0, sizeof(e));
    if (!read_date(&e, &p)) {
        return 0;
    }
    if (*p != '\0') {
        if ((*p != 'T' && *p != 't' && *p != ' ') || !read_char(&p, *p) || !read_clock(&e, &p) ||
            !read_zone(&e, &p) || *p != '\0') {
            return 0;
        }
    }
    return apr_time_exp_gmt_get(out, &e) == APR_SUCCESS;
}
