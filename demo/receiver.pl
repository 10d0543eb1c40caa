#!/usr/bin/perl
# A company's own system, as small as it can be: takes callbacks, checks who signed them, writes each down as one line.
# The check is written from the Standard Webhooks specification alone, to be copied from.
#
#   demo/receiver.pl PORT FILE-WITH-THE-SECRET LOG        on loopback, until it is ended
#
#   {"body":{…},"received_at":1767225600.123,"webhook_id":"msg_…","webhook_timestamp":1767225600}
#
# 200: written down. 401: not signed with the secret, or too old. 400: no JSON. A callback that comes again has the same webhook_id.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256);
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(time);

use constant { HEAD_MAX => 65_536, BODY_MAX => 8 * 1024 * 1024, TOLERANCE => 300 };

die "receiver.pl PORT FILE-WITH-THE-SECRET LOG\n" unless @ARGV == 3;
my ($port, $secret_file, $log_file) = @ARGV;

# ---- who signed it ------------------------------------------------------------------------------------------

open(my $fh, '<:raw', $secret_file) or die "$secret_file: $!\n";
chomp(my $secret = <$fh> // '');
close($fh);
my $key = $secret =~ /^whsec_(.+)/s ? decode_base64($1) : die "$secret_file: a secret begins with whsec_\n";

# Takes as long wherever the first difference is.
sub same {
    my ($x, $y) = @_;
    return length($x) == length($y) && unpack('%32C*', $x ^ $y) == 0;
}

# undef: it is the sender's. Else why not.
sub refusal {
    my ($headers, $body) = @_;
    my ($id, $time, $signatures) = map { $headers->{"webhook-$_"} // '' } qw(id timestamp signature);
    return 'webhook-id, webhook-timestamp or webhook-signature is missing' if $id eq '' || $time !~ /^\d{1,12}\z/ || $signatures eq '';
    return 'it is too old, or from the future' if abs(time - $time) > TOLERANCE;
    my $right = hmac_sha256("$id.$time.$body", $key);
    for my $signature (split / /, $signatures) {
        return undef if $signature =~ /^v1,(.+)/s && same(decode_base64($1), $right);
    }
    return 'no signature fits';
}

# ---- one request ----------------------------------------------------------------------------------------------

open(my $log, '>>:raw', $log_file) or die "$log_file: $!\n";
my $json = Cpanel::JSON::XS->new->utf8->canonical;

# [status, text]
sub answer {
    my ($method, $headers, $body) = @_;
    return [405, 'callbacks are posted'] if $method ne 'POST';
    my $refusal = refusal($headers, $body);
    return [401, $refusal] if defined $refusal;
    return [400, 'no JSON object'] unless eval { ref $json->decode($body) eq 'HASH' };
    # Line ends in a JSON text stand only between its parts: so each callback is one line, otherwise as it came.
    $body =~ tr/\r\n/  /;
    my $line = sprintf(qq({"body":%s,"received_at":%.3f,"webhook_id":%s,"webhook_timestamp":%d}\n), $body, time,
        $json->allow_nonref->encode($headers->{'webhook-id'}), $headers->{'webhook-timestamp'});
    return [500, "cannot write: $!"] unless (syswrite($log, $line) // -1) == length($line);
    return [200, 'taken'];
}

# ---- connections ------------------------------------------------------------------------------------------------

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 512, ReuseAddr => 1) or die "port $port: $!\n";
my $select = IO::Select->new($listen);
my %came; # by connection: bytes that are not a whole request yet

# Answers the first request of a connection's bytes. 1: there was a whole one. Undef: the connection is to be closed.
sub serve {
    my ($c) = @_;
    my $end = index($came{$c}, "\r\n\r\n");
    return length($came{$c}) > HEAD_MAX ? undef : 0 if $end < 0;
    my ($first, @lines) = split(/\r\n/, substr($came{$c}, 0, $end));
    my ($method) = ($first // '') =~ m{^([A-Z]+) \S+ HTTP/1\.\d\z} or return undef;
    my %headers = map { /^([^:\s]+):\s*(.*?)\s*\z/ ? (lc $1, $2) : () } @lines;
    my $length = $headers{'content-length'} // 0;
    return undef if $length !~ /^\d{1,9}\z/ || $length > BODY_MAX || exists $headers{'transfer-encoding'};
    return 0 if length($came{$c}) < $end + 4 + $length;
    my $body = substr($came{$c}, $end + 4, $length);
    substr($came{$c}, 0, $end + 4 + $length, '');
    my ($status, $text) = @{ answer($method, \%headers, $body) };
    print STDERR scalar(gmtime), " $status: $text\n" if $status != 200;
    my $reply = "HTTP/1.1 $status -\r\nContent-Type: text/plain\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    return (syswrite($c, $reply) // -1) == length($reply) ? 1 : undef;
}

$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { exit 0 };
while (1) {
    for my $c ($select->can_read) {
        if ($c == $listen) {
            my $new = $listen->accept or next;
            $came{$new} = '';
            $select->add($new);
            next;
        }
        my $more = sysread($c, $came{$c}, 65_536, length $came{$c});
        my $served = $more ? 1 : undef;
        $served = serve($c) while $served;
        next if defined $served;
        delete $came{$c};
        $select->remove($c);
        close($c);
    }
}
