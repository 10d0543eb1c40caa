/* Shorthands for rows of the property tables; for wf_flow_check_tables.c and
 * wf_flow_check_components.c alone. What a field means stands at wf_prop_t. */
#ifndef WF_FLOW_CHECK_PROPS_H
#define WF_FLOW_CHECK_PROPS_H

#include "flow/wf_flow_check_int.h"

#define V(major, minor) WF_FLOW_VERSION(major, minor)

#define LAST         \
    {                \
        .name = NULL \
    }
#define STATIC_TEXT(n, ...)                       \
    {                                             \
        .name = n, .types = WF_T_STR, __VA_ARGS__ \
    }
#define TEXT(n, ...)                                                \
    {                                                               \
        .name = n, .types = WF_T_STR, .refs = WF_T_STR, __VA_ARGS__ \
    }
#define FLAG(n, ...)                                                  \
    {                                                                 \
        .name = n, .types = WF_T_BOOL, .refs = WF_T_BOOL, __VA_ARGS__ \
    }
#define NUMBER(n, ...)                                              \
    {                                                               \
        .name = n, .types = WF_T_NUM, .refs = WF_T_NUM, __VA_ARGS__ \
    }
#define LIST(n, ...)                                                \
    {                                                               \
        .name = n, .types = WF_T_ARR, .refs = WF_T_ARR, __VA_ARGS__ \
    }
#define ACTION(n, bits, ...)                                                                 \
    {                                                                                        \
        .name = n, .types = WF_T_OBJ, .actions = bits, .check = wf_check_action, __VA_ARGS__ \
    }
#define TYPE                                             \
    {                                                    \
        .name = "type", .types = WF_T_STR, .required = 1 \
    }
#define NAME STATIC_TEXT("name", .required = 1, .flags = WF_P_NOT_EMPTY)
#define VISIBLE FLAG("visible")
#define ENABLED FLAG("enabled")
#define REQUIRED FLAG("required")
#define SELECTED (WF_A_DATA_EXCHANGE | WF_A_UPDATE_DATA)
#define ON_SELECT(...) ACTION("on-select-action", SELECTED, __VA_ARGS__)
#define ON_UNSELECT(...) \
    ACTION("on-unselect-action", WF_A_UPDATE_DATA, .since = V(6, 0), __VA_ARGS__)

#endif
