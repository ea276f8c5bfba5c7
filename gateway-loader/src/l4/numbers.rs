//! Numbers of backends: given out round robin, so that one is not used again soon, each time with another generation.

use gateway_common::l4::MAX_BACKENDS;

/// The numbers, from 1.
#[derive(Debug)]
pub(crate) struct Numbers {
    next: u16,
    generations: Vec<u16>,
    taken: Vec<bool>,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        Self {
            next: 1,
            generations: vec![0; MAX_BACKENDS as usize],
            taken: vec![false; MAX_BACKENDS as usize],
        }
    }

    /// A free number and its generation; `None` when all are in use.
    pub(crate) fn take(&mut self) -> Option<(u16, u16)> {
        for _ in 1..MAX_BACKENDS {
            let number = self.next;
            self.next = if u32::from(number) + 1 < MAX_BACKENDS {
                number + 1
            } else {
                1
            };
            let at = usize::from(number);
            if let (Some(taken), Some(generation)) = (self.taken.get_mut(at), self.generations.get_mut(at))
                && !*taken
            {
                *taken = true;
                *generation = generation.wrapping_add(1);
                return Some((number, *generation));
            }
        }
        None
    }

    /// Marks a number that an earlier agent gave out.
    pub(crate) fn adopt(&mut self, number: u16, generation: u16, in_use: bool) {
        let at = usize::from(number);
        if let (Some(taken), Some(known)) = (self.taken.get_mut(at), self.generations.get_mut(at)) {
            *taken = in_use;
            *known = generation;
        }
        if in_use && number >= self.next && u32::from(number) + 1 < MAX_BACKENDS {
            self.next = number + 1;
        }
    }

    /// Gives a number back.
    pub(crate) fn release(&mut self, number: u16) {
        if let Some(taken) = self.taken.get_mut(usize::from(number)) {
            *taken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_last_and_with_another_generation() {
        let mut numbers = Numbers::new();
        assert_eq!(numbers.take(), Some((1, 1)));
        assert_eq!(numbers.take(), Some((2, 1)));
        numbers.release(1);
        for number in 3..MAX_BACKENDS as u16 {
            assert_eq!(numbers.take(), Some((number, 1)));
        }
        assert_eq!(numbers.take(), Some((1, 2)));
        assert_eq!(numbers.take(), None);
    }

    #[test]
    fn adopted_numbers_are_not_given_out() {
        let mut numbers = Numbers::new();
        numbers.adopt(1, 7, true);
        numbers.adopt(2, 9, false);
        assert_eq!(numbers.take(), Some((2, 10)));
        numbers.release(1);
        numbers.release(2);
    }
}
