-- Roles, the schema, the list of migrations, plans.
--
-- Five roles stand behind the wall between companies (DESIGN.md section 4):
--   the owner        whoever migrates; owns every table and is never used at run time
--   wflows_app       what httpd and wflowsctl connect as: sees the rows of the company in app.tenant_id
--   wflows_platform  entered with SET LOCAL ROLE for what is above companies; sees every row
--   wflows_lookup    owns the SECURITY DEFINER functions and nothing else; may only read what they read.
--                    They are not the owner's, because the owner could also drop the wall.
--   wflows_worker    the same for the functions by which background workers find work across companies:
--                    reads what they read, marks an outbox row as taken, and blanks audit rows of a
--                    company that is being erased, nothing else
-- Row security is forced, so the owner too sees rows only as a member of wflows_platform. A dump by an
-- owner that is not a superuser needs pg_dump --enable-row-security.

create schema if not exists wflows;
revoke all on schema wflows from public;

-- The roles belong to the whole server: another database of it, or the operator, may have made them.
do $$
declare
    v_role record;
begin
    for v_role in
        select r.name, r.attributes
        from (values ('wflows_app', 'login noinherit'),
                     ('wflows_platform', 'nologin'),
                     ('wflows_lookup', 'nologin'),
                     ('wflows_worker', 'nologin')) as r (name, attributes)
        where not exists (select from pg_catalog.pg_roles p where p.rolname = r.name)
    loop
        begin
            execute format('create role %I %s', v_role.name, v_role.attributes);
        exception
            when duplicate_object or unique_violation then null; -- made meanwhile
            when insufficient_privilege then
                raise exception 'role % does not exist and % may not create roles',
                                v_role.name, current_user
                      using hint = format('As a superuser: CREATE ROLE %I %s', v_role.name,
                                          upper(v_role.attributes));
        end;
    end loop;
end
$$;

-- wflows_app enters wflows_platform and never has its rights without entering it. Since PostgreSQL 16
-- that belongs to the grant, before it to the role.
do $$
declare
    v_modern boolean := current_setting('server_version_num')::int >= 160000;
    v_super boolean := (select rolsuper from pg_catalog.pg_roles where rolname = current_user);
    v_role text;
begin
    if (select rolinherit from pg_catalog.pg_roles where rolname = 'wflows_app') then
        alter role wflows_app noinherit;
    end if;
    if not pg_has_role('wflows_app', 'wflows_platform', 'member')
       or pg_has_role('wflows_app', 'wflows_platform', 'usage') then
        execute 'grant wflows_platform to wflows_app'
                || case when v_modern then ' with inherit false, set true' else '' end;
    end if;
    foreach v_role in array array['wflows_platform', 'wflows_lookup', 'wflows_worker'] loop
        if not v_super and not pg_has_role(current_user, v_role, 'usage') then
            execute format('grant %I to current_user', v_role)
                    || case when v_modern then ' with inherit true, set true' else '' end;
        end if;
    end loop;
exception
    when insufficient_privilege then
        raise exception '% may not grant the roles of wflows (%)', current_user, sqlerrm
              using hint = format('As a superuser: ALTER ROLE wflows_app NOINHERIT; '
                                  'GRANT wflows_platform TO wflows_app; '
                                  'GRANT wflows_platform, wflows_lookup, wflows_worker TO %I', current_user);
end
$$;

do $$
begin
    if pg_has_role('wflows_app', 'wflows_platform', 'usage') then
        raise exception 'wflows_app has the rights of wflows_platform without entering it'
              using hint = 'As a superuser: REVOKE wflows_platform FROM wflows_app, then migrate again';
    end if;
    if exists (select from pg_catalog.pg_roles
               where rolname in ('wflows_app', 'wflows_platform', 'wflows_lookup', 'wflows_worker')
                 and (rolsuper or rolbypassrls)) then
        raise exception 'a role of wflows is a superuser or has BYPASSRLS'
              using hint = 'As a superuser: ALTER ROLE … NOSUPERUSER NOBYPASSRLS';
    end if;
end
$$;

grant usage on schema wflows to wflows_app, wflows_platform, wflows_lookup, wflows_worker;

create table wflows.schema_migrations (
    version int primary key,
    name text not null,
    checksum text not null, -- SHA-256 of the file, hex
    applied_at timestamptz not null default now(),
    applied_by text not null default current_user
);
grant select on wflows.schema_migrations to wflows_app, wflows_platform, wflows_lookup;

-- Builds the wall round a tenant table. Every migration that makes one calls it.
create procedure wflows.protect(p_table regclass, p_company_column name default 'company_id')
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rule text := format('%I = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
                          p_company_column);
begin
    execute format('alter table %s enable row level security', p_table);
    execute format('alter table %s force row level security', p_table);
    execute format('create policy tenant_wall on %s using (%s) with check (%s)', p_table, v_rule,
                   v_rule);
    execute format('create policy platform_access on %s to wflows_platform using (true) with check (true)',
                   p_table);
end
$$;
revoke execute on procedure wflows.protect(regclass, name) from public;

-- RFC 3339 in UTC, for the JSON that statements build. Microseconds: an ETag is made of it.
create function wflows.time_text(p_time timestamptz) returns text
language sql stable strict parallel safe
return pg_catalog.to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- Microseconds since 1970, as apr_time_t has it; 0 for a time that is not set.
create function wflows.time_us(p_time timestamptz) returns bigint
language sql stable parallel safe
return coalesce((extract(epoch from p_time) * 1000000)::bigint, 0);

create function wflows.us_time(p_us bigint) returns timestamptz
language sql stable parallel safe
return case when p_us > 0
            then timestamptz '1970-01-01 00:00:00+00' + p_us * interval '1 microsecond' end;

-- RFC 9562, version 7: ids sort by time, so that a table is read by time with its primary key alone.
create function wflows.uuid_v7() returns uuid
language sql volatile parallel safe
return encode(set_bit(set_bit(overlay(
    uuid_send(gen_random_uuid())
    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
    from 1 for 6), 52, 1), 53, 1), 'hex')::uuid;

-- Below all ids of version 7 that are made from this time (microseconds) on.
create function wflows.uuid_from(p_us bigint) returns uuid
language sql immutable parallel safe
return encode(substring(int8send(greatest(p_us, 0) / 1000) from 3) || '\x00000000000000000000'::bytea,
              'hex')::uuid;

revoke execute on function wflows.time_text(timestamptz), wflows.time_us(timestamptz),
                           wflows.us_time(bigint), wflows.uuid_v7(), wflows.uuid_from(bigint)
    from public;
grant execute on function wflows.time_text(timestamptz), wflows.time_us(timestamptz),
                          wflows.us_time(bigint), wflows.uuid_v7(), wflows.uuid_from(bigint)
    to wflows_app, wflows_platform, wflows_lookup, wflows_worker;

-- What a company may use unless its own row says otherwise. 0: no limit.
create table wflows.plans (
    name text primary key,
    max_whatsapp_accounts int not null,
    max_flows int not null,
    max_monthly_messages bigint not null,
    max_users int not null,
    retention_days int not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    approvals boolean not null default false, -- its companies may want four eyes (settings.require_approvals)
    constraint plans_name_check check (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    constraint plans_limits_check check (max_whatsapp_accounts >= 0 and max_flows >= 0
        and max_monthly_messages >= 0 and max_users >= 0 and retention_days >= 0)
);
insert into wflows.plans values
    ('starter', 1, 10, 10000, 3, 90),
    ('pro', 3, 100, 100000, 10, 365),
    ('enterprise', 0, 0, 0, 0, 0);
grant select on wflows.plans to wflows_app, wflows_lookup;
grant select, insert, update on wflows.plans to wflows_platform;
update wflows.plans set approvals = true where name = 'enterprise';
