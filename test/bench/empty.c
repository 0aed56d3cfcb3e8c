// SPDX-License-Identifier: MIT
/*
 * empty: what starting any program costs.
 *
 * Built with the flags of the helpers; a helper's own work is what it takes
 * longer than this one.
 */
int main(void)
{
	return 0;
}
