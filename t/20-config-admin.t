#!/usr/bin/perl
# `httpd -t` and mod_wflows_admin: its directives, and that it does not start without mod_wflows_tenant.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Wflows::Config qw(bad config_modules configtest good);
use Wflows::Test qw(need);

need('httpd');

config_modules(qw(wflows_tenant wflows_admin));

good('the modules may be loaded in this order', '', qw(wflows_tenant wflows_admin));
good('and in that one', '', qw(wflows_admin wflows_tenant));
good('and all three', '', qw(wflows_admin wflows_flows wflows_tenant));
bad('mod_wflows_admin says which module it needs, and how to load it', '',
    'WF3000: mod_wflows_admin needs mod_wflows_tenant: add LoadModule wflows_tenant_module mod_wflows_tenant.so', 'wflows_admin');

bad('a body has an upper bound', 'WflowsAdminBodyMax 65M',
    "WflowsAdminBodyMax: '65M' is not allowed, use 1024 to 67108864 (e.g. WflowsAdminBodyMax 12M)");
bad('a request has some time', 'WflowsAdminTimeout 500ms',
    "WflowsAdminTimeout: '500ms' is not allowed, use 1s to 10min (e.g. WflowsAdminTimeout 30s)");
good('a location may have its own', "<Location /api/v2/>\nWflowsAdminBodyMax 1M\nWflowsAdminTimeout 60s\nWflowsAdminCorsOrigin https://a.example\n</Location>");
good('origins, several at once, with ports', 'WflowsAdminCorsOrigin https://manager.example.com http://127.0.0.1:3000');
good('any origin', 'WflowsAdminCorsOrigin *');
bad('an origin is no URL with a path', 'WflowsAdminCorsOrigin https://manager.example.com/',
    "WflowsAdminCorsOrigin: 'https://manager.example.com/': an origin ends with the host or its port (e.g. WflowsAdminCorsOrigin https://manager.example.com)");
{
    my $r = configtest('WflowsAdminCorsOrigin manager.example.com');
    ok($r->{rc} == 1 && $r->{err} =~ /^WflowsAdminCorsOrigin: 'manager\.example\.com': \S/m, 'an origin has a scheme') or diag($r->{err});
}

done_testing();
