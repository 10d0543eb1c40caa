package Wflows::Receiver;

# A company's receiver of callbacks on loopback. What it answers is said by the path of the callback URL, and by
# `set` while it runs; it checks signatures by itself, not with the code that made them.
#
#   /ok 200   /code/<n> that status   /hang never within the test   /slow/<ms> 200 after a while
#   /echo 200, with all it got in the body   /redirect?<url> 302 there   /big 200 with a long body

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256_base64);
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);
use Wflows::Backend;
use Wflows::Process qw(read_file wait_until write_file);

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

# dir: for its files
sub start {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    my $set = "$o{dir}/set.json";
    write_file($set, '{}');
    $self->{backend} = Wflows::Backend->start(log => "$o{dir}/received.ndjson", %o, answer => sub { _answer($set, @_) });
    return $self;
}

sub _answer {
    my ($set, $request) = @_;
    my ($path, $query) = split(/\?/, $request->{path}, 2);
    my $how = $json->decode(read_file($set))->{$path} // {};
    my $headers = $how->{headers} // {};
    return [$how->{status}, $headers, $how->{body} // ''] if $how->{status};
    if ($path eq '/hang') {
        my $server = getppid();
        sleep 0.2 while getppid() == $server;
        return undef;
    }
    if ($path =~ m{^/slow/(\d+)}) { sleep($1 / 1000); return [200, $headers, ''] }
    return [$1, $headers, "status $1"] if $path =~ m{^/code/(\d+)};
    return [302, { Location => $query }, ''] if $path eq '/redirect';
    return [200, $headers, $json->encode($request)] if $path eq '/echo';
    return [200, $headers, 'x' x 5_000_000] if $path eq '/big';
    return [200, $headers, 'ok'];
}

sub url { my ($self, $path) = @_; return $self->{backend}->url($path) }

# From now on requests for `path` get { status, headers, body }; undef: as the path says.
sub set {
    my ($self, $path, $how) = @_;
    my $file = "$self->{dir}/set.json";
    my $all = $json->decode(read_file($file));
    if ($how) { $all->{$path} = $how } else { delete $all->{$path} }
    write_file("$file.new", $json->encode($all));
    rename("$file.new", $file) or die "$file: $!";
}

# What came for `path` (all without), each with { id, timestamp, body, data, time, headers }.
sub got {
    my ($self, $path) = @_;
    return map { { %$_, id => $_->{headers}{'webhook-id'}, timestamp => $_->{headers}{'webhook-timestamp'},
                data => eval { $json->decode($_->{body}) } } }
        grep { !defined $path || $_->{path} eq $path } $self->{backend}->requests;
}

# Waits until at least `count` came for `path`; returns whether they did.
sub wait_for {
    my ($self, $path, $count, $seconds) = @_;
    return wait_until($seconds // 20, sub { (my @got = $self->got($path)) >= $count });
}

# Standard Webhooks, from its specification: which of the signatures (from 0) each secret made.
sub signatures_of {
    my ($got, @secrets) = @_;
    my @signatures = split(/ /, $got->{headers}{'webhook-signature'} // '');
    return map {
        my $key = /^whsec_(.*)/s ? decode_base64($1) : $_;
        my $mac = hmac_sha256_base64("$got->{id}.$got->{timestamp}.$got->{body}", $key);
        $mac .= '=' while length($mac) % 4;
        my ($at) = grep { $signatures[$_] eq "v1,$mac" } 0 .. $#signatures;
        $at;
    } @secrets;
}

sub stop { my ($self) = @_; return $self->{backend}->stop }

1;
