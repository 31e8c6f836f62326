from odoo.tests import BaseCase

from ..wire.addresses import AddressRefusedError, check_address


class TestAddresses(BaseCase):
    def test_addresses_that_are_always_refused(self):
        for address in (
            *("169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"),
            *("::ffff:169.254.169.254", "100.100.100.200", "168.63.129.16", "0.0.0.0", "::"),  # noqa: S104
            *("224.0.0.1", "ff02::1", "192.0.0.192", "fd20:ce::254", "fd00:ec2::23"),
            # NAT64, with its local prefix (of 96, 48 and 64 bits), 6to4, Teredo (client, server),
            # IPv4-compatible, translated
            *("64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::"),
            *("64:ff9b:1:0:a9:fea9:fe00:0", "2002:a9fe:a9fe::1", "2001::53aa:64c:0:0:5601:5601"),
            *("2001:0:a9fe:a9fe::", "::169.254.169.254", "::ffff:0:169.254.169.254"),
        ):
            with self.subTest(address=address), self.assertRaises(AddressRefusedError):
                check_address(address, allow_private=True)

    def test_private_networks_are_refused_unless_they_are_allowed(self):
        for address in (
            *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
            *("192.0.0.8", "198.18.0.1", "240.0.0.1", "0.1.2.3", "192.0.2.1", "255.255.255.255"),
            *("::1", "fd12::1", "::ffff:10.0.0.1", "fec0::1", "64:ff9b::10.0.0.1", "2002:a00:1::1"),
            *("64:ff9b:1::10.0.0.1", "64:ff9b:1:a00:0:100::", "64:ff9b:1::8.8.8.8", "::10.0.0.1"),
            *("::ffff:0:10.0.0.1", "2001:db8::1", "2001:1::1", "100::1", "5f00::1"),
        ):
            with self.subTest(address=address):
                check_address(address, allow_private=True)
                with self.assertRaises(AddressRefusedError):
                    check_address(address, allow_private=False)

    def test_public_addresses_are_accepted(self):
        for address in (
            *("93.184.216.34", "2606:2800:220:1::1", "64:ff9b::93.184.216.34"),
            *("::ffff:93.184.216.34", "100.128.0.1", "192.0.1.1", "2a00:1450:4001::1"),
        ):
            check_address(address, allow_private=False)
